# farline: `make` alone explains the verbs. Everything is installed into .venv and .cache by the verbs themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run provider demo test check format coverage bench clean

help: ## explain the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## run an edge on http://127.0.0.1:8080 (CONFIG=FILE for your own configuration)
	$(BIN)/farline edge $(if $(CONFIG),-c $(CONFIG)) $(ARGS)

provider: $(VENV)/.installed ## run the fake provider to try an edge against
	$(BIN)/farline demo provider $(ARGS)

demo: $(VENV)/.installed ## bad lines in the terminal: a direct connection beside farline (ARGS="--rootless")
	$(BIN)/farline demo $(ARGS)

test: $(VENV)/.dev .cache/peers .cache/llama/llama-server ## install everything the tests need, then check and run them all
	PATH="$(CURDIR)/$(BIN):$$PATH" tests/run.sh $(ARGS)

check: $(VENV)/.dev ## formatting, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: $(VENV)/.dev ## branch coverage of the pure modules by their own tests
	$(BIN)/python -m tests.coverage

bench: $(VENV)/.dev .cache/peers ## cost of the data plane beside nginx, HAProxy and a plain aiohttp proxy (ARGS="--quick")
	$(BIN)/python -m tests.bench.proxies $(ARGS)

clean: ## remove everything the verbs made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("farline needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

.cache/peers: tests/support/install-peers.sh tests/support/install-toxiproxy.sh tests/support/install-browser.sh \
	tests/support/install-openid.sh tests/support/openid/package-lock.json
	tests/support/install-peers.sh
	tests/support/install-toxiproxy.sh
	tests/support/install-browser.sh
	tests/support/install-openid.sh
	@mkdir -p .cache && touch $@

.cache/llama/llama-server: tests/support/install-llama.sh
	tests/support/install-llama.sh
	@touch -h $@
