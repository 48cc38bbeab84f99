# On a fresh machine with Python 3.11 or newer each target makes .venv and installs what it needs, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help simulate test coverage verification mutation lint audit bench soak parity format chromium ib_async stoqey clean

help: ## this list
	@echo "usage: make TARGET [PYTHON=python3.12] [ARGS='...']"
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

simulate: $(VENV)/.day-trader ## one full simulated trading day and its summary
	$(BIN)/python day_trader.py --allocation 0.25 --simulate $(ARGS)

test: $(VENV)/.dev chromium ## the whole test suite, without the soak tests
	$(BIN)/python -m pytest $(ARGS)

coverage: $(VENV)/.dev chromium ## the tests again, and which branches of the rooms of money they take; fails below 95 %
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(ARGS)
	@$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage json -q -o reports/coverage.json
	@$(BIN)/python -m tests.branch_coverage reports/coverage.json

verification: $(VENV)/.dev chromium ## the tests, and what they showed into Documentation/TESTING_VERIFICATION_REPORT.md
	@rm -f reports/tests.xml; $(BIN)/python -m pytest --junitxml=reports/tests.xml $(ARGS); ran=$$?; \
	  $(BIN)/python -m tests.verification_report reports/tests.xml && exit $$ran

mutation: $(VENV)/.dev ## changes of the money rooms, one at a time, which the tests must notice
	$(BIN)/python -P tests/mutation.py $(ARGS)
	$(BIN)/python -m tests.mutation_report

lint: $(VENV)/.dev ## ruff (rules, format) and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

# --strict: a package that the service does not know, or does not tell about, is no clean one
audit: $(VENV)/.dev ## known vulnerabilities of all that is installed, asked of the package index (ARGS='-s osv': of OSV)
	@for folder in "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" $(VENV)/clients/ib_async; do \
	  echo "packages in $$folder"; \
	  $(BIN)/python -m pip_audit --strict --progress-spinner off --path "$$folder" $(ARGS) || { \
	    echo "not clean: a vulnerability is named above, or the service did not tell about every package" >&2; exit 1; }; \
	done

bench: $(VENV)/.dev ## each benchmarks/bench_*.py
	@set -e; for bench in benchmarks/bench_*.py; do \
	  [ -e "$$bench" ] || { echo "no benchmarks/bench_*.py here" >&2; exit 1; }; \
	  echo "== $$bench"; PYTHONPATH=. $(BIN)/python "$$bench" $(ARGS); \
	done

soak: $(VENV)/.dev ## the long tests only
	$(BIN)/python -m pytest -m soak -n 2 $(ARGS)

parity: $(VENV)/.dev ## the research engine against the full day trader, 600 symbol-days
	PYTHONPATH=. $(BIN)/python -m tests.research.parity

format: $(VENV)/.dev ## rewrite the code in the house format
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

chromium: ## the browser that the page is tested with: the distribution's, where apt-get and root are at hand
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo "no chromium, and no root or apt-get to install it: the tests of the page will be skipped"; \
	else \
	  echo "installing chromium"; \
	  { timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 400 \
	    apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
	  || echo "chromium could not be installed: the tests of the page will be skipped"; \
	fi

ib_async: $(VENV)/.day-trader ## install the other client library, for IB_CLIENT_LIBRARY=ib_async
	$(INSTALL) --no-deps --upgrade --target $(VENV)/clients/ib_async -r requirements-ib_async.txt

stoqey: ## install the npm client that the gateway simulator is also tested with (needs node)
	npm install --prefix $(VENV)/clients/stoqey --no-save --no-package-lock --no-audit --no-fund @stoqey/ib@1.6.10

clean: ## remove caches; .venv, databases, logs and reports stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* .mutation
	find . -path ./$(VENV) -prune -o -path ./.git -prune -o -type d -name __pycache__ -exec rm -rf {} +

# pip is made last, so an interrupted or refused venv (Debian without python3-venv) is made again
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "PYTHON=$(PYTHON) is missing or older than Python 3.11: install one, or name one (make PYTHON=python3.12 ...)" >&2; \
	  exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.day-trader: day_trader_requirements.txt | $(BIN)/pip
	@echo "installing $< into $(VENV)"
	@$(INSTALL) -r $<
	@touch $@

# after .day-trader, for `make -j`: two pips in one .venv break each other
$(VENV)/.dev: requirements-dev.txt requirements-ib_async.txt requirements-research.txt requirements.txt day_trader_requirements.txt | $(VENV)/.day-trader
	@echo "installing $< into $(VENV)"
	@$(INSTALL) -r $<
	@$(INSTALL) --no-deps --upgrade --target $(VENV)/clients/ib_async -r requirements-ib_async.txt
	@touch $@
