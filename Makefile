# Every target sets up its own environment: a fresh clone and Python 3.11 or later are enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The first interpreter that pyproject.toml admits; `make setup PYTHON=...` overrides it.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$p" && break; done)
OFFLINE := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
# Two workers of one thread each: more threads than cores makes small models many times slower.
TEST := OMP_NUM_THREADS=1 $(OFFLINE) $(BIN)/python -m pytest -n 2

.PHONY: help setup browser demo test check format cards bench

help: ## List the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv and install the package with everything its development needs

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "avzoo needs Python 3.11, 3.12 or 3.13; none was found" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
		&& apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null; } \
		|| echo "no Chromium here and it cannot be installed: the browser tests will be skipped"

demo: setup ## Search the packaged clips by example in the browser
	$(BIN)/avzoo demo

test: setup browser ## Run the tests; ARGS=tests/media chooses some
	$(TEST) $(ARGS)

check: setup ## Lint, format, types, the import contract, the model cards and tables
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m avzoo.checkpoints.cards --check

format: setup ## Format the code and fix what the linter can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

cards: setup ## Write the model cards and the tables of models anew from the registry
	$(BIN)/python -m avzoo.checkpoints.cards

bench: setup browser ## Measure the package against peers and the machine's limits; ARGS=import_time chooses some
	$(BIN)/python -m benchmarks $(ARGS)
