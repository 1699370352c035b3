# Every target works first on a fresh machine with Python 3.11+, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MANIFESTS := pyproject.toml gr2_github/pyproject.toml gr2_hooks/pyproject.toml

.PHONY: demo test check bench faults clean

demo: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python docs/demo.py

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy -p gr2_github -p gr2_hooks
	@$(BIN)/lint-imports

bench: $(STAMP)
	@$(BIN)/python -m bench $(ARGS)

faults: $(STAMP)
	@GR2_FAULTS=full $(BIN)/python -m pytest -n auto -m "faults or full" --timeout=3600 $(ARGS)

$(STAMP): $(MANIFESTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "gr2 needs Python 3.11 or newer as $(PYTHON) (set PYTHON=...)" >&2; exit 1; }
	@command -v git >/dev/null || { echo "gr2 needs git 2.38 or newer on PATH" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "gr2 needs Python's venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,webhook]' -e gr2_github -e gr2_hooks
	@$(BIN)/python -m compileall -q gr2 gr2_github/src gr2_hooks/src
	@touch $@

clean:
	rm -rf $(VENV)
