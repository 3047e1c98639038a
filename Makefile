# make demo    install gramian into .venv, train models on real data and predict with them, in under a minute
# make test    run all tests
# make test-spark  the tests on Spark: in this process, with a Connect server, on a cluster of two workers
# make check   formatting, lints, types, import layers
# make bench   run the benchmarks
# make bench-spark  those on Spark: an hour, 16 GB of files, and SystemDS beside it if it is installed
# make docs    write the reference pages from the operator records and the rules
# make format  rewrite the code in the project's format
# make clean   remove what make made, .venv included
#
# Another interpreter: make PYTHON=python3.12 demo

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --editable
DEMO   := examples/breast_cancer
DIGITS := examples/digits

.DELETE_ON_ERROR:
.PHONY: demo test test-spark check bench bench-spark docs format clean

demo: $(VENV)/.installed
	$(BIN)/gramian run $(DEMO)/train.dml
	@echo
	$(BIN)/gramian run $(DEMO)/predict.dml
	@echo
	$(BIN)/gramian run $(DIGITS)/train.dml
	@echo
	$(BIN)/gramian run $(DIGITS)/predict.dml
	@if $(BIN)/python -c 'import matplotlib' 2>/dev/null; then $(BIN)/gramian plot $(DIGITS)/out/history.csv; \
	 else echo "To see the curves: $(BIN)/python -m pip install '.[plot]', then $(BIN)/gramian plot $(DIGITS)/out/history.csv"; fi

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 -m "not spark"

WAYS = local connect cluster
test-spark: $(VENV)/.installed-test
	for way in $(WAYS); do GRAMIAN_TEST_SPARK=$$way $(BIN)/python -m pytest -n 0 tests/spark || exit 1; done

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_layers.py

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/run.py

bench-spark: $(VENV)/.installed-spark
	$(BIN)/python benchmarks/run_spark.py

docs: $(VENV)/.installed
	$(BIN)/python -m gramian.reference > docs/builtins.md
	$(BIN)/python -m gramian.reference rewrites > docs/rewrites.md

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist examples/*/out $(DIGITS)/out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp says that an install was made after pyproject.toml last changed. Installs are editable: new sources need none.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'make: gramian needs Python 3.11 or newer, which "$(PYTHON)" is not; name one: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: pyproject.toml | $(VENV)/.created
	$(PIP) .
	@touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/.created
	$(PIP) '.[$*]'
	@touch $@
