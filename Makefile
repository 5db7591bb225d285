# make demo   the main job, from nothing: Ray, raymal, one call with a question and its answer
# make test   all tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo test test-unit test-cluster test-coqui lint format bench clean

help:           ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ —/'

setup: $(INSTALLED)  ## a virtual environment in .venv with everything, at the pinned versions

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bundled,bench,dev]'
	touch $(INSTALLED)

demo: setup     ## start Ray and raymal, dial in, speak a question, show the answer (WAV=file for your own)
	$(BIN)/raymal demo $(if $(WAV),--wav $(WAV))

test: test-unit test-cluster test-coqui  ## everything

test-unit: setup     ## without Ray
	PYTHONASYNCIODEBUG=1 $(BIN)/python -m pytest -m 'not cluster and not coqui'

test-cluster: setup  ## on a local Ray, the demo among them
	$(BIN)/python -m pytest -m cluster

test-coqui:          ## the coqui engine, in an environment of its own (.venv-coqui: 2 GB)
	scripts/setup-coqui
	.venv-coqui/bin/python -m pytest -m coqui tests/actors/test_coqui.py

lint: setup     ## style, import order, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup   ## repair style and import order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup    ## speech to text against stock faster-whisper
	mkdir -p benchmarks/results
	$(BIN)/python -m benchmarks.stt --all --json benchmarks/results/stt.json

clean:          ## remove what was built
	rm -rf $(VENV) .venv-coqui build dist *.egg-info demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
