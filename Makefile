# Needs python3, make and git; brings everything else into .uv and .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv
DATA ?= .predictflow
export PREDICTFLOW_DATA_DIR ?= $(abspath $(DATA))
export PREDICTFLOW_DAGSTER_DIR ?= $(PREDICTFLOW_DATA_DIR)/dagster
export DAGSTER_HOME := $(CURDIR)
export DAGSTER_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(VENV)/ready  ## The whole way on simulated transactions, to a served decision.
	$(BIN)/predictflow demo

test: $(VENV)/ready  ## Run the tests, three files at once (they wait a lot); ARGS is passed on to pytest.
	$(BIN)/pytest -W error -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/ready  ## Check style and types.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

# To look around with: where nobody has set anything, the sensors that act and alert are on.
ifeq ($(wildcard predictflow.toml)$(PREDICTFLOW_CONFIG),)
dev: export PREDICTFLOW_ALERTS_ON ?= true
dev: export PREDICTFLOW_INGEST_LATE_ON ?= true
dev: export PREDICTFLOW_RETRAIN_ON ?= true
endif
dev: $(VENV)/ready  ## Dagster's web page and daemon on http://127.0.0.1:3000.
	@mkdir -p $(PREDICTFLOW_DAGSTER_DIR)
	$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

serve: $(VENV)/ready  ## The prediction service on http://127.0.0.1:8080.
	$(BIN)/predictflow serve

mlflow: $(VENV)/ready  ## MLflow's web page on http://127.0.0.1:5000.
	$(BIN)/mlflow server --backend-store-uri sqlite:///$(PREDICTFLOW_DATA_DIR)/mlflow.db --host 127.0.0.1 --port 5000

bench: $(VENV)/ready  ## Measure; DATA_FILE=path runs on a file of real transactions too.
	$(BIN)/python -m benchmarks.whole_way $(if $(DATA_FILE),--data $(DATA_FILE))
	$(BIN)/python -m benchmarks.ingest
	$(BIN)/python -m benchmarks.online_store
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.serving_drill

drill: $(VENV)/ready  ## The world moves, and the platform learns it: drift to a new model, by itself.
	$(BIN)/predictflow drill drift

soak: $(VENV)/ready  ## Kill followers of Kafka at random, then count every record.
	$(BIN)/python -m benchmarks.soak_ingest --records 200000 --kills 20

fuzz: $(VENV)/ready  ## Ask the service 5,000 times by its own OpenAPI document, rightly and wrongly.
	$(BIN)/python -m benchmarks.serving_fuzz --requests 5000

spark: $(VENV)/ready  ## Install PySpark, for the test of the feature SQL on Spark.
	$(UV) pip install --quiet --require-hashes --python $(VENV) -r requirements-spark.lock

lock: $(UV)  ## Resolve the dependencies anew into requirements.lock.
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.12 \
		--group dev --custom-compile-command "make lock" -q -o requirements.lock pyproject.toml
	$(UV) pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.12 \
		--group spark --custom-compile-command "make lock" -q -o requirements-spark.lock

clean:  ## Remove what was set up and what was made by the demo.
	rm -rf $(VENV) .uv .cache .predictflow .predictflow-* .pytest_cache .ruff_cache .hypothesis *.egg-info

setup: $(VENV)/ready  ## Only set up.

$(UV):
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"

$(VENV)/ready: requirements.lock pyproject.toml | $(UV)
	@echo "Setting up (a minute or so the first time) ..."
	@bash scripts/venv.sh $(UV) $(VENV)
	$(UV) pip sync --quiet --compile-bytecode --require-hashes --python $(VENV) requirements.lock
	$(UV) pip install --quiet --no-deps --no-build-isolation --python $(VENV) --editable .
	@touch $@

.PHONY: help demo test lint dev serve mlflow bench drill soak fuzz spark lock clean setup
