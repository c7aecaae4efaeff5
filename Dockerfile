# The same steps as on any machine: `make install` into .venv.
#
#   docker build -t video-to-3d-poses .
#   docker run --rm -v "$PWD:/data" -u "$(id -u):$(id -g)" video-to-3d-poses clip.mp4 -o out/
#
# GPU: the registry's torch wheel for Linux on x86-64 is the CUDA build and brings its CUDA libraries, so the image runs on
# a GPU as it is: add `--gpus all` to `docker run` and `--device cuda` to the command. Where another base is wanted (one
# with a vendor's driver tools, say), any Debian or Ubuntu image with Python 3.11 or 3.12 and its venv module will do:
#
#   docker build --build-arg BASE_IMAGE=<image> [--build-arg PYTHON=<interpreter>] ...
#
# A small image for the CPU only: give pip an index that serves torch's +cpu builds; pip prefers them to the plain version.
#
#   docker build --build-arg PIP_EXTRA_INDEX_URL=<index> ...

# MMPose needs an older PyTorch and compiled operators, hence an image of its own; building it takes half an hour:
#
#   docker build --target mmpose -t video-to-3d-poses-mmpose .

ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS mmpose
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements ./requirements
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3.11 -m venv .venv \
    && .venv/bin/pip install 'pip<25' 'setuptools<70' wheel \
    && .venv/bin/pip install torch==2.1.2 torchvision==0.16.2 'numpy<2' \
    && .venv/bin/pip install -r requirements/mmpose.txt \
    && .venv/bin/pip install --no-deps -r requirements/mediapipe.txt
RUN MMCV_WITH_OPS=1 FORCE_CUDA=0 .venv/bin/pip install --no-deps --no-build-isolation mmcv==2.1.0 \
    && .venv/bin/pip install --no-deps --no-build-isolation chumpy==0.70 xtcocotools==1.14.3 \
    && .venv/bin/pip install --no-deps mmengine==0.10.7 mmdet==3.3.0 mmpose==1.3.2 json_tricks==3.17.3 munkres==3.0.0
COPY . .
WORKDIR /data
ENTRYPOINT ["/app/.venv/bin/python", "/app/infer_video.py"]
CMD ["--help"]

FROM ${BASE_IMAGE} AS poses

ARG PYTHON=python3.11
# pip reads it from the environment; empty means none.
ARG PIP_EXTRA_INDEX_URL=""

RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app

# The packages first, so that a change of the code does not install them again.
COPY Makefile ./
COPY requirements ./requirements
RUN PIP_NO_CACHE_DIR=1 make PYTHON="${PYTHON}" .venv/.dependencies

COPY . .
RUN PIP_NO_CACHE_DIR=1 make PYTHON="${PYTHON}" install

# Nothing in the image is written to at run time but the home of a user who may not be known by name.
RUN useradd --create-home --home-dir /home/poses poses && chmod 1777 /home/poses
ENV HOME=/home/poses \
    PYTHONUNBUFFERED=1

USER poses
WORKDIR /data
ENTRYPOINT ["/app/.venv/bin/python", "/app/infer_video.py"]
CMD ["--help"]
