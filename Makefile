# `make demo` and `make test` do all the set-up on a fresh machine (git, Python 3.10 or later).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
WORK   ?= demo-work
EXTRAS ?= train,cpu

.PHONY: demo test examples slow lint format clean

demo: $(VENV)/.run
	$(BIN)/sgnas demo --workdir $(WORK)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadscope

# Every line of examples/*.md that is not marked as not run.
examples: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m slow tests/runtime/test_examples.py

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin -t=3.8- --no-tips --violations profilers
	$(BIN)/vermin -t=3.10- --no-tips --violations sgnas_deploy cli
	$(BIN)/python tests/packaging/check_wheel.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist

# One environment; what the tests and gates need comes on top of what the demo needs.
$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[$(EXTRAS),dev]'
	touch $@
