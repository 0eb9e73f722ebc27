# `make` alone lists the tasks. Everything happens in .venv, which the first task that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Containers often forbid bytecode, but then every process compiles all modules and tests anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo docs docs-serve check test test-slow test-oldest lint format bench study clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

$(VENV)/.run: setup.cfg build_backend.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

setup: $(VENV)/.run ## create .venv and install what the project needs

demo: $(VENV)/.run ## train DQN on the cash problem and compare it with the exact optimum
	$(BIN)/python train.py --algo dqn

# What a change breaks most often, without training: a minute on a quiet machine.
FAST := tests/common tests/envs tests/wrappers tests/agents/test_config.py \
	tests/baselines/test_rollout.py tests/baselines/rules/test_cash.py tests/demand/test_laws.py \
	tests/demand/test_reader.py tests/evaluation/test_statistics.py tests/commands/test_startup.py

check: $(VENV)/.test ## style, who imports whom, and the tests that take less than a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(FAST)

# Two processes, each with whole test files: a module's fixtures are made once.
test: $(VENV)/.test ## run the test suite, but for the few tests that take longest
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(VENV)/.test ## run those that take longest
	$(BIN)/python -m pytest -m slow

OLDEST := .venv-oldest
$(OLDEST)/.test: setup.cfg build_backend.py constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet -c constraints-oldest.txt -e '.[test]'
	@touch $@

test-oldest: $(OLDEST)/.test ## run the whole test suite with the oldest versions of what it needs
	$(OLDEST)/bin/python -m pytest

lint: $(VENV)/.test ## check format, style, types and who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

format: $(VENV)/.test ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.run ## measure speed: ratios against a peer or a null in the same run
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.many_skus
	$(BIN)/python -m benchmarks.shards

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/pip install --quiet -c constraints.txt -e '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## build the documentation as a site, build/site/index.html; links are checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

docs-serve: $(VENV)/.docs ## show the site at http://127.0.0.1:8000 while pages are written
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

study: $(VENV)/.run ## does longer exploration help? final gap over the length of the epsilon schedule
	$(BIN)/python -m studies.exploration

clean: ## remove caches and the virtual environment; runs/ stays
	rm -rf $(VENV) $(OLDEST) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
