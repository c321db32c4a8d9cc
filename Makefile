# `make` lists the targets. Paths are relative throughout, so the repository may lie anywhere, also below a folder with
# a space in its name; caches and tools lie below .tools/, so nothing is written outside of it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

HERE := $(shell pwd)

# Caches of the tools.
export UV_CACHE_DIR := $(HERE)/.tools/cache/uv
export UV_NO_PROGRESS := 1
export UV_PYTHON_DOWNLOADS := never
export PIP_CACHE_DIR := $(HERE)/.tools/cache/pip
export PRE_COMMIT_HOME := $(HERE)/.tools/cache/pre-commit
export XDG_CACHE_HOME := $(HERE)/.tools/cache
export XDG_CONFIG_HOME := $(HERE)/.tools/config
export MPLCONFIGDIR := $(HERE)/.tools/cache/matplotlib
export NUMBA_CACHE_DIR := $(HERE)/.tools/cache/numba

# No library reports to anybody.
export DO_NOT_TRACK := 1
export ITERATIVE_DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export GX_ANALYTICS_ENABLED := false
export SCARF_ANALYTICS := false
export SCARF_NO_ANALYTICS := true
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False

# Compiled bytecode is what makes the services start in seconds.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport VIRTUAL_ENV

BIN := .venv/bin

.PHONY: help install demo up down env keys test test-soak test-browser test-production check audit bench docs lock

help: ## list the targets
	@echo "make demo     run the whole life of a model on real flights, in a real Airflow"
	@echo "make up       start PostgreSQL, MLflow and Airflow on this machine"
	@echo "make down     stop them; nothing is left running"
	@echo "make env      write .env for docker-compose.yml, with secrets of its own"
	@echo "make keys     write a key pair, to sign versions that go to another registry"
	@echo "make test     run all tests but the long ones; COVERAGE=yes prints their coverage, and takes longer"
	@echo "make test-soak"
	@echo "              the long one: thirty days backfilled twice through a real scheduler, with tasks and it killed"
	@echo "make test-browser"
	@echo "              the Models page in a real Chromium, which has to be installed"
	@echo "make test-production"
	@echo "              the services of docker-compose.yml without containers, taken away one by one"
	@echo "make check    lint, types, import rules, spelling, definitions"
	@echo "make audit    ask PyPI which pinned packages have known weaknesses; wants the network"
	@echo "make bench    measure, side by side with the plain tools"
	@echo "make docs     build the documentation into site/"
	@echo "make lock     resolve requirements.lock anew"

install:
	@.ci/install

demo up down: install
	@$(BIN)/slipstream $@

env:
	@python3 deploy/write_env.py

keys: install
	@$(BIN)/python deploy/write_keys.py

# Coverage makes the tests take half as long again: each line is looked at that any package runs. `.ci/run` asks for it.
# Two processes share two cores, so that threads of a fit that wait for each other cost more than they bring.
test: install
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(if $(COVERAGE),--cov --cov-report=term) --ignore=tests/browser --ignore=tests/production $(ARGS)

test-soak: install
	@$(BIN)/python -m pytest -m soak tests/e2e/soak $(ARGS)

test-browser: install
	@$(BIN)/python -m pytest -v tests/browser $(ARGS)

test-production: install
	@$(BIN)/python -m pytest -v tests/production $(ARGS)

check: install
	@status=0; \
	run() { echo "--> $$*"; "$$@" || status=1; }; \
	run $(BIN)/ruff check --quiet .; \
	run $(BIN)/ruff format --check --quiet .; \
	run $(BIN)/mypy include/slipstream plugins/slipstream_airflow; \
	run $(BIN)/lint-imports --no-cache; \
	run $(BIN)/codespell; \
	run $(BIN)/slipstream check; \
	run $(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml; \
	exit $$status

# In an environment of its own, which is not locked: a tool that looks for weaknesses should be today's. Without
# --strict it calls a package sound that it could not ask about.
audit:
	@test -x .tools/audit/bin/pip-audit || { python3 -m venv .tools/audit && .tools/audit/bin/pip install --quiet pip-audit; }
	@.tools/audit/bin/pip install --quiet --upgrade pip-audit
	@.tools/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  --requirement requirements.lock $(ARGS)

bench: install
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

docs: install
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock:
	@eval "$$(python3 .ci/index-from-pip)"; \
	"$$(bash .ci/uv)" pip compile pyproject.toml --quiet --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o requirements.lock
