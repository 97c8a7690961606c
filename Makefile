# make demo   the environment, the runtime (no torch), a styled film: demo.mp4
# make test   the development extras, the tests
# make lint   style and types (after make test)

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt

.PHONY: demo test lint clean

demo: $(VENV)/.runtime
	$(VENV)/bin/livestyle video samples/bay.mp4 demo.mp4 --style starry --overwrite

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml .ci/constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[cpu]'
	touch $@

$(VENV)/.dev: pyproject.toml .ci/constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[cpu,live,train,dev]'
	touch $@

clean:
	rm -rf $(VENV) demo.mp4
