# One command each, with nothing before it: every target first makes .venv and installs what is missing (tools/setup.sh).
#   make run PORT=8502               another port
#   make run PYTHON=python3.12       a Python of your choice (3.11 to 3.13)
#   make test ARGS="tests/store -x"  only some tests

PYTHON ?=
PORT ?= 8501
ARGS ?=
SETUP = PYTHON='$(PYTHON)' sh tools/setup.sh
BIN = .venv/bin/python
# a browser is opened where there is a screen to open it on
OPEN = $(if $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname -s))),--open)

.DEFAULT_GOAL := help
.PHONY: help run test quick lint lowest setup clean

help: ## Say what there is to do
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: ## Open the dashboard on 127.0.0.1:8501 (PORT=... for another port)
	@$(SETUP)
	@$(BIN) -m cnnapp serve --port $(PORT) $(OPEN)

test: ## Run all tests
	@$(SETUP) dev
	$(BIN) -m pytest $(ARGS)

quick: ## Run the tests that take no browser and little time
	@$(SETUP) dev
	$(BIN) -m pytest -m "not slow and not e2e" $(ARGS)

lint: ## Check style and types
	@$(SETUP) dev
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy

lowest: ## Run all tests with the lowest versions that requirements.txt allows
	@VENV=.venv-lowest $(SETUP) lowest
	.venv-lowest/bin/python -m pytest $(ARGS)

setup: ## Only make .venv and install everything
	@$(SETUP) dev

clean: ## Remove the environments and what tools left behind; runs and datasets stay
	rm -rf .venv .venv-lowest .venv.lock .venv-lowest.lock .pytest_cache .mypy_cache .ruff_cache .hypothesis artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
