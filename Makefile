# make demo   the main job on real input          make test    every test
# make check  lint, format and types              make fix     what check can mend by itself
# make bench  the benchmarks and their page       make vectors the known-answer vectors, again
# make fuzz   every fuzz target for SECONDS_EACH  make soak    an hour of everything, into docs/soak-report.md
# make test-python-3.13  every test without Airflow, under python3.13 (any minor version that is on the PATH)
# make test-airflow      the tests beside Airflow AIRFLOW, without whole installations; a part of make test
# make test-airflow-all  all tests beside each of AIRFLOW_VERSIONS, whole installations included
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STORE  ?= embedded
JOBS   ?= auto
SECONDS_EACH ?= 60
SOAK   ?=
# The oldest Airflow that is supported, the newest release, and the newest pre-release.
AIRFLOW_VERSIONS ?= 3.3.0 3.3.2 3.4.0b2
AIRFLOW          ?= 3.3.2
AIRFLOW_EACH     := $(AIRFLOW_VERSIONS:%=test-airflow-%)

.PHONY: demo test test-airflow test-airflow-all $(AIRFLOW_EACH) check fix bench vectors fuzz soak clean
.DELETE_ON_ERROR:

# One stamp a group of dependencies: the demo needs none of the test tools.
$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[s3]"
	@touch $@

$(VENV)/.%: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group $*
	@touch $@

# Each Airflow has an environment of its own; tests/airflow/constraints has what holds versions down in it.
$(VENV)/airflow-%/.made: pyproject.toml $(wildcard tests/airflow/constraints/*.txt)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check "apache-airflow==$*" \
	  --editable ".[airflow]" --group airflow $(addprefix --constraint ,$(wildcard tests/airflow/constraints/$*.txt))
	@touch $@

demo: $(VENV)/.run $(if $(filter s3,$(STORE)),$(VENV)/.test)
	$(if $(filter s3,$(STORE)),$(BIN)/python tests/demo_s3.py,$(BIN)/lamella demo)

test: $(VENV)/.test test-airflow
	$(BIN)/python -m pytest -n $(JOBS)

# Each Python has an environment of its own.
test-python-%:
	$(MAKE) PYTHON=python$* VENV=$(VENV)/python-$* $(VENV)/python-$*/.test
	$(VENV)/python-$*/bin/python -m pytest -n $(JOBS)

# pytest fails when it finds no test, so a target cannot pass by running none.
test-airflow: $(VENV)/airflow-$(AIRFLOW)/.made
	$(<D)/bin/python -m pytest -n $(JOBS) --dist loadfile -m "not full" tests/airflow

test-airflow-all: $(AIRFLOW_EACH)

$(AIRFLOW_EACH): test-airflow-%: $(VENV)/airflow-%/.made
	$(<D)/bin/python -m pytest -n $(JOBS) --dist loadfile -m "not full" tests/airflow
	$(<D)/bin/python -m pytest -m full tests/airflow

check: $(VENV)/.check $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: $(VENV)/.check
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.bench $(VENV)/.test $(VENV)/airflow-$(AIRFLOW)/.made
	AIRFLOW=$(AIRFLOW) $(BIN)/python bench/run.py

vectors: $(VENV)/.test
	$(BIN)/python tests/vectors/generate.py

fuzz: $(VENV)/.fuzz $(VENV)/.test
	$(BIN)/python fuzz/run.py --seconds-each $(SECONDS_EACH)

soak: $(VENV)/.fuzz $(VENV)/.test
	$(BIN)/python tests/soak/run.py $(SOAK)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
