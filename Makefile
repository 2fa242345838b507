PYTHON ?= python3.11
SETUP = $(if $(shell command -v $(PYTHON)),$(PYTHON) deploy/setup.py,$(error Python 3.11 is missing: install it, or say where it is with `make $@ PYTHON=/path/to/python3.11`))

.PHONY: run test check bench dev lock help

run: ## Set up what is missing, then serve
	@$(SETUP) run

test: ## Set up what is missing, then run every check and test
	@$(SETUP) test

check: ## The fast part: format, lint, types, imports, tests without a browser
	@$(SETUP) check

bench: ## Benchmarks against peers and floors; one with NAME=...
	@$(SETUP) bench $(NAME)

dev: ## Serve and reload on every change
	@$(SETUP) dev

lock: ## Write the lock files anew after a dependency changed
	@.venv/bin/python deploy/lock.py

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile
