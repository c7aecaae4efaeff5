# Needs Python 3.11 (or 3.12) with its venv module, and make. Everything else is installed into .venv.

PYTHON ?= python3.11
OUT ?= out
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DETECTORS_VENV := .venv-detectors

.PHONY: help install demo test test-detectors clean
DETECTOR_TESTS := $(addprefix tests/detectors/,test_keypointrcnn.py test_maskrcnn_d2.py test_heatmap_models.py \
	test_rcnn_card.py training/test_rcnn_trains.py)
.DEFAULT_GOAL := help

help:
	@echo "make install   make .venv and install what the program needs"
	@echo "make demo      install, get the sample clip, and turn it into people in 3D below $(OUT)/"
	@echo "make test      install, then run ruff, mypy and pytest"
	@echo "make test-detectors  the tests that need torchvision, in $(DETECTORS_VENV) (5 GB: PyTorch's CUDA build)"
	@echo "make clean     remove .venv, $(OUT)/ and what the checks leave behind"
	@echo
	@echo "PYTHON=... chooses the interpreter that makes .venv (now: $(PYTHON)), OUT=... the folder of results."

install: $(VENV)/.installed

demo: install
	clip="$$($(BIN)/python -m pipeline.sample)" && $(BIN)/python infer_video.py "$$clip" -o "$(OUT)/"
	@echo "The results lie in $(OUT)/demo/: watch $(OUT)/demo/demo.mp4, read $(OUT)/demo/report.json."

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --explicit-package-bases .
	$(BIN)/python -m pytest

# Torchvision, and detectron2 where somebody has installed it there; docs/detectors.md says how MMPose's are run.
test-detectors: $(DETECTORS_VENV)/.installed
	$(DETECTORS_VENV)/bin/python -m pytest $(DETECTOR_TESTS)

clean:
	rm -rf $(VENV) $(DETECTORS_VENV) "$(OUT)" build *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DETECTORS_VENV)/.installed: requirements/runtime.txt requirements/dev.txt requirements/detectors.txt $(VENV)/.made
	$(PYTHON) -m venv --clear $(DETECTORS_VENV)
	$(DETECTORS_VENV)/bin/python -m pip --disable-pip-version-check --quiet install -r requirements/detectors.txt
	$(DETECTORS_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps -r requirements/mediapipe.txt
	@touch $@

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: $(PYTHON) is not there: install Python 3.11, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { \
		echo "error: $(PYTHON) is not Python 3.11 or 3.12: name one of them: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) lacks its venv module: install it (on Debian and Ubuntu: python3.11-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# What is needed from elsewhere. requirements/runtime.txt says why mediapipe comes without its dependencies.
$(VENV)/.dependencies: requirements/runtime.txt requirements/mediapipe.txt $(VENV)/.made
	@echo "Installing packages into $(VENV) (a few minutes the first time; torch is large) ..."
	$(PIP) install -r requirements/runtime.txt
	$(PIP) install --no-deps -r requirements/mediapipe.txt
	@touch $@

$(VENV)/.installed: $(VENV)/.dependencies pyproject.toml
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements/dev.txt
	$(PIP) install -r requirements/dev.txt
	@touch $@
