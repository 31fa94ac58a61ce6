# `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
# Everything is installed into .venv; stamps in it make a second run instant.

SHELL := /bin/bash
.DEFAULT_GOAL := help

LOCKED := requirements/run.txt requirements/build.txt requirements/dev.txt
PROJECTS := pyproject.toml $(wildcard kit/pyproject.toml examples/shop/pyproject.toml)
PYTHON_CODE := src tests bench $(wildcard kit/src examples/shop/src)
BROWSER_CODE := $(shell find src examples -path '*/static/*.js' 2>/dev/null)

# One more than the cores of a small machine, as tests wait much; with yet more, browsers starve each other.
WORKERS ?= 3

# On the first everything runs, on the second what touches a database.
ENGINES := $(or $(ENGINE),sqlite postgres)

# A file stays in one process. In their own order: the few tests of long files would otherwise all come last.
SPREAD := --dist loadfile --no-loadscope-reorder

# What pytest answers when nothing was left to run, as it may on one engine when ARGS narrow.
NO_TESTS := 5

RUN := .venv/.installed-run
DEV := .venv/.installed-dev
TSC := node_modules/.installed

.PHONY: help install demo test ha bench lint lint-python lint-browser format lock clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUN) ## Make .venv with the system's Python, or the newest usable one, and install OpenGiro into it

demo: install ## Start everything on this machine: server, sandbox banks, demo shop
	.venv/bin/opengiro dev

test: $(DEV) ## Install what the tests need and run them on both databases (ENGINE=sqlite, ARGS="-k word" narrow)
	@tools/browser
	@tools/postgres
	@tools/strace
	@tools/nginx
	@for engine in $(ENGINES); do \
	    echo "Tests on $$engine:"; \
	    OPENGIRO_TEST_ENGINE=$$engine .venv/bin/python -m pytest -n $(WORKERS) $(SPREAD) $(ARGS) \
	        || { code=$$?; [ $$code = $(NO_TESTS) ] && [ -n "$${ARGS:-}" ]; } || exit 1; \
	done

bench: $(DEV) ## Measure everything beside the databases, within ten minutes (ARGS="--only create --rounds 1" narrows)
	.venv/bin/python -m bench $(ARGS)

ha: $(DEV) ## As root on Debian: kill, cut off and restore a PostgreSQL cluster (ARGS="kill --rounds 10")
	.venv/bin/python -m tests.faults.ha $(ARGS)

lint: lint-python lint-browser ## Check style, types and who may import whom

lint-python: $(DEV)
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy $(PYTHON_CODE)
	.venv/bin/lint-imports

ifeq ($(BROWSER_CODE),)
lint-browser:
	@echo "There are no browser modules to check."
else ifneq ($(shell command -v npm),)
lint-browser: $(TSC)
	node_modules/.bin/tsc --project jsconfig.json
else
lint-browser:
	@echo "The browser modules were not checked: that needs npm (Debian: apt-get install npm)."
	@test "$${CI:-}" != true
endif

format: $(DEV) ## Let ruff rewrite what it can
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

lock: $(DEV) ## Compile requirements/ again; UPGRADE=1 takes newer versions
	tools/lock $(if $(UPGRADE),--upgrade)

clean: ## Remove what was installed and cached
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(RUN): tools/venv requirements/run.txt requirements/build.txt $(PROJECTS)
	@tools/venv
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@

$(TSC): package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@
