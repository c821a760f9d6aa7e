# CoincallTrader. `make` alone lists what can be done; only Python 3.11 and make are needed beforehand.
# Everything is installed into .venv, once, and again only when a lock file changes.

SHELL   := /bin/sh
PYTHON  ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
ARGS    ?=
# Twice the cores of a small machine: the rehearsals mostly wait (161 s with 2, 122 s with 4).
WORKERS ?= 4
UV_PIN  := uv==0.13.8
VENV    := .venv
PY      := $(VENV)/bin/python
UV      := UV_PYTHON_DOWNLOADS=never $(VENV)/bin/uv
COMPILE := $(UV) pip compile -q --python-version 3.11 --no-header --generate-hashes
# The floors 0 to 4 of docs/architecture.md.
PURE    := $(foreach m,errors clock domain events ports config auth conditions option_selection trade_lifecycle risk trading_state,$(m).py $(m)/*)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run setup setup-dev test check fix bench soak faults cover lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  ARGS="..." is handed to main.py by run, and to pytest by test, bench and soak.'

run: $(VENV)/.runtime ## set up if needed, then trade until Ctrl-C (on the paper exchange, unless configured otherwise)
	@exec $(PY) main.py $(ARGS)

setup: $(VENV)/.runtime ## install what running needs

setup-dev: $(VENV)/.dev ## install what running, testing and checking need

test: $(VENV)/.dev ## run all tests but the soak tests, and those of the architecture, which are part of check
	@$(PY) -m pytest tests -q -n $(WORKERS) --dist load --maxschedchunk 1 -p no:benchmark -m 'not soak' --ignore tests/test_architecture.py $(ARGS)

check: $(VENV)/.dev ## lint, formatting, types, layers, architecture
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@PYTHONPATH=. $(VENV)/bin/lint-imports --no-cache --no-logo
	@$(PY) -m pytest tests/test_architecture.py -q -p no:benchmark

fix: $(VENV)/.dev ## repair what lint can repair, and format
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

bench: $(VENV)/.dev ## run every benchmark and print its figures (ONLY=bench_engine runs one)
	@for each in $(or $(ONLY),$(basename $(notdir $(wildcard benchmarks/bench_*.py)))); do echo "== $$each"; $(PY) -m benchmarks.$$each $(ARGS) || exit 1; done

soak: $(VENV)/.dev ## run the long tests
	@$(PY) -m pytest tests -q -p no:benchmark -m soak --timeout 3600 $(ARGS)

faults: $(VENV)/.dev ## rehearse crashes and faults over the whole matrix, and write docs/reliability.md
	@$(PY) -m tests.faults --write docs/reliability.md $(ARGS)

cover: $(VENV)/.dev ## measure branch coverage: all of floors 0 to 4, nine tenths overall
	@$(PY) -m coverage erase
	@$(PY) -m pytest tests -q -n $(WORKERS) --dist load --maxschedchunk 1 -p no:benchmark -m 'not soak' --cov --cov-report= $(ARGS)
	@$(PY) -m coverage report --include "$$(echo "$(PURE)" | tr -s " " ",")" --fail-under 100
	@$(PY) -m coverage report --fail-under 90

lock: $(VENV)/.runtime ## pin anew what requirements*.txt ask for (ARGS=--upgrade moves all pins)
	@$(COMPILE) $(ARGS) requirements.txt -o requirements.lock
	@$(COMPILE) $(ARGS) requirements-dev.txt -o requirements-dev.lock
	@! grep -nE '://|(^|[ =])/[a-z]' requirements.lock requirements-dev.lock || { echo 'a lock file names an address or a local path' >&2; exit 1; }

clean: ## remove .venv and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call install,lock file,extra flags): with uv, which takes seconds; with pip where uv cannot be had.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo 'Python 3.11 is needed: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo 'installing $(1) into $(VENV)'
	@{ { test -x $(VENV)/bin/uv || $(PY) -m pip install -q --disable-pip-version-check $(UV_PIN); } \
	  && $(UV) pip install -q --require-hashes --compile-bytecode $(2) --python $(PY) -r $(1); } \
	  || { echo 'uv could not do it; going on with pip' >&2; \
	       $(PY) -m pip install -q --disable-pip-version-check --require-hashes $(2) -r $(1); }
	@touch $@
endef

$(VENV)/.runtime: requirements.lock
	$(call install,requirements.lock,)

# --no-deps: the lock is complete, and leaves out what pyproject.toml excludes on purpose.
$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(call install,requirements-dev.lock,--no-deps)
