# Targets for people and for CI alike. Each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
DEV := .venv-dev
RUN := $(VENV)/bin
BIN := $(DEV)/bin
LOWEST := .venv-lowest
DEV310 := .venv-3.10
PYTHON310 ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python3.10) python3.10)
PASSED := build/tests-passed.txt
# Pins torch for development; users may take any in the range.
CONSTRAINTS := constraints-dev.txt
DATA ?= ../shared/data
PEERS ?= ../shared/peers
RECIPE ?= lrpose-s
MINUTES ?= 10
ARM := .venv-arm
BOARD_PYTHON ?= 3.11
AARCH64 := $(foreach tag,2_28 2_27,--platform manylinux_$(tag)_aarch64) --platform manylinux2014_aarch64
QEMU ?= $(or $(wildcard $(ARM)/qemu-x86_64-static),qemu-x86_64-static)

.PHONY: demo test test-all test-rest test-3.10 has-3.10 test-lowest test-arm arm-instructions wheelhouse test-avx2 test-slow test-networks test-browser lint docs build fuzz soak bench bench-micro budget eval train clean

## The bundled models on two public-domain photographs; installs the runtime alone.
demo: $(VENV)/demo
	$(RUN)/litepose-edge demo

## The runtime's tests and the documents': some minutes, environment included.
test: $(DEV)/quick
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not arm and not extras" --durations=15 --record-passed=$(PASSED)
	@echo "The exporter's and OpenVINO's tests: make test-all"

## Everything but the slow proofs: the exporter, NNCF and OpenVINO as well.
test-all: $(DEV)/ready
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not arm" --durations=15

## What test-all has and `make test` did not pass: together they are test-all.
# With "=": pytest takes a path of its own, which is there, for a folder of tests.
test-rest: $(DEV)/ready
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow and not arm" --durations=15 --without-passed=$(PASSED)

## The runtime's tests on Python 3.10, with the ONNX Runtime that is the last for it.
test-3.10: $(DEV310)/ready
	$(DEV310)/bin/python -m pytest tests/litepose_edge -n auto --dist loadfile -m "not slow and not arm"

# Whether there is a Python 3.10.
has-3.10:
	@$(PYTHON310) -c "import ensurepip" 2> /dev/null

## The runtime's tests on the oldest dependencies it allows.
test-lowest: $(LOWEST)/ready
	$(LOWEST)/bin/python -m pytest tests/litepose_edge -m "not slow and not arm"

## Released models on dev photographs, under ARM and AVX2 emulation, and other long proofs.
test-slow: $(DEV)/ready
	$(BIN)/python -m pytest -m slow -s --arm $(ARM)

## Families of networks as others write them: trained, exported, quantized, run.
test-networks: $(DEV)/ready
	$(BIN)/python -m pytest tests/litepose_export/quantization/test_networks_of_others.py

## The released INT8 models give the same keypoints on a CPU with AVX2 and without VNNI.
test-avx2: $(DEV)/ready
	$(BIN)/python -m pytest tests/litepose_edge/released/test_avx2.py -m slow --qemu "$(QEMU)"

## The report and the live page in a real browser, portable files in browser, Node and C++; skips without.
test-browser: $(DEV)/ready
	$(BIN)/python -m pytest tests/litepose_edge/measure/bench/report/test_page.py \
		tests/litepose_edge/serve/page tests/litepose_export/portable/test_other_languages.py -m slow

## The released INT8 models give the same keypoints on ARM. Emulated: right or wrong, not how fast.
test-arm: $(DEV)/ready
	$(BIN)/python tests/helpers/arm_machine.py $(ARM)
	$(BIN)/python -m pytest tests/litepose_edge/released/test_arm.py tests/benchmarks/arm -m "arm and not slow" -s --arm $(ARM)

## Instructions a frame on ARM processors, counted under emulation: docs/arm-instructions.*;
## only what has changed. COUNT=--pipelines counts what crops and decodes anew, COUNT=--all
## everything, COUNT="--only lrpose-s persondet" these networks alone.
arm-instructions: $(DEV)/ready
	PYTHONPATH=.:export $(BIN)/python -m benchmarks.arm.instructions --machine $(ARM) $(COUNT)

## All wheels of an aarch64 board in a folder, for an installation without network.
wheelhouse: build
	$(BIN)/python -m pip download --quiet --dest wheelhouse --only-binary=:all: $(AARCH64) --implementation cp --python-version $(BOARD_PYTHON) dist/*.whl

lint: $(DEV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.:export $(BIN)/lint-imports

## The documentation site: build/site/index.html. Strict: a broken link or reference fails.
docs: $(DEV)/ready
	PYTHONPATH=.:export NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

## A wheel, checked: what is in it and that it predicts with the base dependencies alone.
build: $(DEV)/ready
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
	$(BIN)/python tests/check_wheel.py dist

## Damaged and odd inputs of every class: make fuzz MINUTES=10, FUZZ="--only images --seed 7".
fuzz: $(DEV)/ready
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(FUZZ)

## Memory, threads and descriptors over long use; SOAK="--part 0.05" is a shorter run.
soak: $(DEV)/ready
	$(BIN)/python -m benchmarks.budget.soak $(SOAK)

## Ours against rtmlib, OpenCV, OpenVINO and other networks: remakes docs/versus.*, docs/end-to-end.*
bench: $(DEV)/rtmlib
	$(BIN)/python -m benchmarks.peers.versus --out docs
	$(BIN)/python -m benchmarks.peers.end_to_end --out docs

## Crop, normalise, DARK, grouping, NMS and tracking, each beside the plain loop.
bench-micro: $(DEV)/ready
	$(BIN)/python -m pytest benchmarks/micro --benchmark-only --benchmark-columns=min,median,rounds

## Every row of the performance budget beside its bar; BUDGET=--strict fails where one is missed.
budget: $(DEV)/rtmlib
	$(BIN)/python -m benchmarks.budget.budget $(BUDGET)

## A training recipe: make train RECIPE=lrpose-s, or another file of export/recipes without .sh.
train: $(DEV)/ready
	PATH="$(abspath $(BIN)):$$PATH" DATA="$(DATA)" PEERS="$(PEERS)" export/recipes/$(RECIPE).sh

## Average precision of the released models.
eval: $(DEV)/ready
	$(BIN)/litepose-edge eval --data $(DATA)/coco/dev.json

$(VENV)/demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet -e ".[demo]"
	touch $@

$(DEV)/quick: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(DEV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) -e ".[demo,eval]" --group test
	touch $@

# PyTorch, NNCF and OpenVINO come here: gigabytes that `make test` does without.
$(DEV)/ready: $(DEV)/quick
	$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) -e ".[demo,eval,export,nncf,openvino,plot,scale,tensorboard]" --group test --group lint --group build --group bench --group docs
	touch $@

# Without its dependencies: they would bring a second OpenCV.
$(DEV)/rtmlib: $(DEV)/ready
	$(BIN)/python -m pip install --quiet --no-deps rtmlib==0.0.16 tqdm ai-edge-litert==2.3.0
	touch $@

$(DEV310)/ready: pyproject.toml
	$(PYTHON310) -m venv $(DEV310)
	$(DEV310)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(DEV310)/bin/python -m pip install --quiet -e ".[demo,eval]" --group test
	touch $@

$(LOWEST)/ready: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints-lowest.txt -e ".[demo,eval]" --group test
	touch $@

clean:
	rm -rf $(VENV) $(DEV) $(DEV310) $(LOWEST) $(ARM) build dist wheelhouse litepose-demo
