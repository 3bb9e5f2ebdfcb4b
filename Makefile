# Targets for people and for CI alike. Each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
DEV := .venv-dev
RUN := $(VENV)/bin
BIN := $(DEV)/bin
# The lowest torch with a small CPU build for development; users may take any in the range.
CONSTRAINTS := constraints-dev.txt
DATA ?= ../shared/data
QEMU ?= qemu-x86_64-static

.PHONY: demo test test-avx2 test-slow lint build bench eval clean

## The bundled models on two public-domain photographs; installs the runtime alone.
demo: $(VENV)/demo
	$(RUN)/litepose-edge demo

## Everything but the slow proofs.
test: $(DEV)/ready
	$(BIN)/python -m pytest -m "not slow"

## Released models on dev photographs, under AVX2 emulation, and other long proofs.
test-slow: $(DEV)/ready
	$(BIN)/python -m pytest -m slow

## The released INT8 models give the same keypoints on a CPU with AVX2 and without VNNI.
test-avx2: $(DEV)/ready
	$(BIN)/python -m pytest tests/edge/test_avx2.py -m slow --qemu "$(QEMU)"

lint: $(DEV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.:export $(BIN)/lint-imports

## A wheel, checked: what is in it and that it predicts with the base dependencies alone.
build: $(DEV)/ready
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
	$(BIN)/python tests/check_wheel.py dist

## Latency of the released models on this machine.
bench: $(DEV)/ready
	$(BIN)/python benchmarks/latency.py

## Average precision of the released models.
eval: $(DEV)/ready
	$(BIN)/litepose-edge eval --data $(DATA)/coco/dev.json

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet -e ".[demo]"
	touch $@

$(DEV)/ready: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(DEV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) -e ".[demo,eval,export,openvino]" --group test --group lint --group build
	touch $@

clean:
	rm -rf $(VENV) $(DEV) build dist litepose-demo
