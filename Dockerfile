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

ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}

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
