# make demo   the main job on real input          make test    every test
# make check  lint, format and types              make fix     what check can mend by itself
# make bench  the benchmarks and their page       make vectors the known-answer vectors, again
# make fuzz   every fuzz target for SECONDS_EACH  make soak    an hour of everything, into docs/soak-report.md
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STORE  ?= embedded
JOBS   ?= auto
SECONDS_EACH ?= 60
SOAK   ?=

.PHONY: demo test check fix bench vectors fuzz soak clean
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

demo: $(VENV)/.run $(if $(filter s3,$(STORE)),$(VENV)/.test)
	$(if $(filter s3,$(STORE)),$(BIN)/python tests/demo_s3.py,$(BIN)/lamella demo)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(JOBS)

check: $(VENV)/.check $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: $(VENV)/.check
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.bench $(VENV)/.test
	$(BIN)/python bench/run.py

vectors: $(VENV)/.test
	$(BIN)/python tests/vectors/generate.py

fuzz: $(VENV)/.fuzz $(VENV)/.test
	$(BIN)/python fuzz/run.py --seconds-each $(SECONDS_EACH)

soak: $(VENV)/.fuzz $(VENV)/.test
	$(BIN)/python tests/soak/run.py $(SOAK)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
