# make demo: install, print Table 2.   make test: install, run every check.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test lint bench fuzz mutants test-lowest experiments clean

demo: $(VENV)/.installed
	$(BIN)/smartsim report table2 --output runs/table2

test: $(VENV)/.installed-test lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(PIP) install -c constraints.txt -e '.[bench]'
	$(BIN)/python -m tests.benchmarks.trace_speed
	$(BIN)/python -m tests.benchmarks.pricing_speed
	$(BIN)/python -m tests.benchmarks.simulate_speed
	$(BIN)/python -m tests.benchmarks.train_speed

# A hundred thousand nearly valid files; `make test` tries a few hundred.
fuzz: $(VENV)/.installed-test
	SMARTSIM_FUZZ=4500 HYPOTHESIS_PROFILE=dev $(BIN)/python -m pytest -n 2 tests/fuzz

# The suite with the oldest versions that pyproject.toml declares, in an environment of its own.
test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/pip install --quiet "$$(grep '^torch==' constraints.txt)" numpy==2.0.0
	$(VENV)-lowest/bin/pip install --quiet -c constraints-lowest.txt -e '.[test]'
	$(VENV)-lowest/bin/python -m pytest -n 2 -W ignore tests

# A draw of one-line faults, and which of them no test notices: about half a minute each.
mutants: $(VENV)/.installed-test
	$(BIN)/python -m tests.mutants --number 200

# Hours on two cores; can be stopped with Ctrl-C, and goes on from there.
experiments: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[attack]'
	$(BIN)/python -m smartsim.train.experiments

# torch first and pinned: left to a resolver it may bring gigabytes of CUDA.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "$$(grep '^torch==' constraints.txt)" "$$(grep '^numpy==' constraints.txt)"
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[test]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
