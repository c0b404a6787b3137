# make run    the demo: full screen, or headless for 15 s when stdout is no terminal
# make test   the tests
# make check  format, lint, types, import contracts, tests
# make bench  measurements against peers
# make docs   the reference pages, written from the code
# make wheel  a wheel in dist/

.DEFAULT_GOAL := run
.PHONY: run test check bench docs wheel clean
.DELETE_ON_ERROR:

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
INPUTS := pyproject.toml constraints.txt obiterm/__init__.py

run: $(VENV)/.core
	@if [ -t 1 ]; then $(BIN)/obiterm demo; else $(BIN)/obiterm demo --headless --seconds 15; fi

test: $(VENV)/.dev
	$(BIN)/pytest -n 2 -m "not benchmark and not timed"
	$(BIN)/pytest -m timed

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 -m "not benchmark and not timed"
	$(BIN)/pytest -m timed

bench: $(VENV)/.dev
	$(BIN)/pytest -m benchmark -p no:xdist -s tests/benchmarks

docs: $(VENV)/.dev
	$(BIN)/python -m obiterm.cli.reference docs/reference
	$(BIN)/python tests/unit/house/reliability.py docs/reliability.md

wheel: $(VENV)/.dev
	$(BIN)/hatchling build --target wheel --directory dist

clean:
	rm -rf $(VENV) dist build

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "obiterm needs Python 3.11 or newer" >&2; exit 1; }
	@echo "making the environment in $(VENV) ..." >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(INPUTS) | $(VENV)/bin/python
	@echo "installing obiterm ..." >&2
	@$(PIP) install --constraint constraints.txt --editable . >&2
	@touch $@

$(VENV)/.dev: $(INPUTS) | $(VENV)/bin/python
	@echo "installing obiterm with its test tools ..." >&2
	@$(PIP) install --constraint constraints.txt --editable ".[dev]" >&2
	@# It pins an older cryptography than ccxt may use; it runs with the newer one.
	@$(PIP) install --constraint constraints.txt --no-deps bpx-py >&2
	@touch $@ $(VENV)/.core
