# Everything a person types. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help repro test check format ui dashboard ray setup dev slow pictures notebooks lock python clean

BIN := .venv/bin
UV := UV_SYSTEM_CERTS=1 VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv
LOCK := $(if $(GPU),requirements-gpu.lock,requirements.lock)
STAMP := .venv/.$(LOCK).done
DEV_STAMP := .venv/.requirements-dev.lock.done
# The first Python from 3.11 to 3.13 that really runs (a name on the PATH may be an empty shim).
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
  "$$p" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
  >/dev/null 2>&1 && echo "$$p" && break; done)

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

repro: setup ## Set up, run the pipeline, say what was made (USE="PRESET key=value ..." first; GPU=1)
	@$(if $(USE),$(BIN)/reprolens use $(USE),true)
	@$(BIN)/reprolens check
	$(BIN)/dvc repro
	@$(BIN)/reprolens track >/dev/null || echo "MLflow misses this run: \`reprolens track\` adds it later"
	@$(BIN)/reprolens summary

AT_ONCE := -n 3 --dist loadfile --no-loadscope-reorder

test: dev ## Set up and pass the tests
	$(BIN)/python -m pytest -m "not slow" $(AT_ONCE)

check: dev ## Format, lint, types, architecture, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" $(AT_ONCE) $(PYTEST_ARGS)

slow: dev ## The tests that take minutes: thirty kills, studies on PostgreSQL and Ray, a team's server, retraining whole
	$(BIN)/python -m pytest -m slow

pictures: dev ## The pictures of the README, made anew (needs Chromium; KEEP=folder keeps the runs)
	$(BIN)/python -m docs.pictures $(if $(KEEP),--keep $(KEEP))

notebooks: setup ## The course notebooks' networks, then their table (DATA=folder of data sets, ONLY="preset...", SEEDS=n)
	@$(BIN)/reprolens notebooks $(ONLY) $(if $(DATA),--data "$(DATA)") $(if $(SEEDS),--seeds $(SEEDS))

format: dev ## Format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ui: setup ## The MLflow UI on the local store, http://127.0.0.1:5000, and the addresses to compare runs at
	@$(BIN)/reprolens track --ui http://127.0.0.1:$(or $(PORT),5000)
	MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server \
	  --backend-store-uri sqlite:///$(CURDIR)/mlruns/mlflow.db --workers 1 --host 127.0.0.1 --port $(or $(PORT),5000)

dashboard: setup ## Optuna's page of the studies, http://127.0.0.1:8080 (STORAGE=postgresql://... for others than the local ones)
	@test -n "$(STORAGE)" -o -s .reprolens/tune.db || { echo "make: no study yet: run \`reprolens tune\` first, or give STORAGE=postgresql://..." >&2; exit 1; }
	$(UV) pip install --quiet --require-hashes -r requirements-dashboard.lock
	$(BIN)/optuna-dashboard --host 127.0.0.1 --port $(or $(PORT),8080) "$(or $(STORAGE),sqlite:///$(CURDIR)/.reprolens/tune.db)"

ray: setup ## Ray, so that `reprolens tune --on ray://HOST:PORT` works
	$(UV) pip install --quiet --require-hashes -r requirements-ray.lock

setup: $(STAMP) ## Make .venv with the locked packages

dev: $(DEV_STAMP)

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 to 3.13 with venv found: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(STAMP): $(LOCK) pyproject.toml | .venv/bin/uv
	@rm -f .venv/.*.done
	$(if $(wildcard $(BIN)/tensorboard $(BIN)/saved_model_cli),$(UV) pip uninstall --quiet tensorflow tensorflow-cpu)
	$(UV) pip install --quiet --require-hashes -r $(LOCK)
	$(UV) pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(STAMP)
	$(UV) pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 pyproject.toml
lock: $(DEV_STAMP) ## Write the lock files anew from pyproject.toml
	$(COMPILE) --extra cpu -o requirements.lock
	$(COMPILE) --extra gpu -c requirements.lock -o requirements-gpu.lock
	$(COMPILE) --extra dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --extra dashboard -c requirements.lock -o requirements-dashboard.lock
	$(COMPILE) --extra ray -c requirements.lock -o requirements-ray.lock

python: # The Python that `setup` would take
	@echo "$(PYTHON)"

clean: ## Remove what was made, but not runs, downloads or .venv
	rm -rf data models reports
