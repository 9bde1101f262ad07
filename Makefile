# The menu. Needs Python 3.11 or newer and make; everything else comes from the two lock files.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
RUNS := $(VENV)/.runs
DEVELOPS := $(VENV)/.develops
# A process a core and one more, as some wait: each has a database, a Valkey and a stand-in of its own.
# ARGS="-n 0" runs one.
SIDE_BY_SIDE := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test pictures check chaos bench lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: $(RUNS) ## everything on this machine: database, worker, a stand-in for Stripe, a mailbox
	@exec $(BIN)/tuppence run

test: $(DEVELOPS) ## every test, against real PostgreSQL and Valkey
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

pictures: $(DEVELOPS) ## every page in every state, as Chromium draws it, into screenshots/
	@PICTURES=1 $(BIN)/python -m pytest $(ARGS) tests/browser

check: $(DEVELOPS) ## style, types, import contracts, templates, translations, lock files
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/python tools/check_templates.py
	@$(BIN)/python tools/check_translations.py
	@$(BIN)/python tools/check_lock.py
	@echo "All checks passed."

chaos: $(DEVELOPS) ## kill everything while pledges are charged, then compare the books (PLEDGES, MONTHS, SEED)
	@$(BIN)/python -m tests.chaos --pledges $(or $(PLEDGES),200) --months $(or $(MONTHS),2) \
		--seed $(or $(SEED),1) $(if $(PLAN),--plan) $(if $(KEEP),--keep)

bench: $(DEVELOPS) ## measure what docs/benchmarks.md tells (ONE=name for one of them)
	@$(BIN)/python -m tests.bench $(ONE)

lock: $(DEVELOPS) ## write both lock files anew (UPGRADE=1 takes the newest versions)
	@UV="$(BIN)/uv" sh tools/lock.sh $(if $(UPGRADE),--upgrade)

clean: ## remove the environment, the caches and the local data
	@rm -rf $(VENV) .tuppence .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNS): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with make PYTHON=python3.11")'
	@echo "Installing what Tuppence runs on (once; about a minute) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(DEVELOPS): $(RUNS) requirements-dev.lock
	@echo "Installing what Tuppence is tested and checked with (once) …"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@
