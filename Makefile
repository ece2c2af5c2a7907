# Everything a newcomer needs: `make demo` shows it, `make test` proves it. Each target makes first what it needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo demo-check test test-fast test-long check bench-rounds bench-pages bench-housekeeping openapi lock diagrams messages pictures clean chromium

VENV := .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# for commands that a checkout has, and no image
TOOLING := --settings tooling.settings
# One more than the two cores that are the least: what runs real processes waits a third of its time.
SIDE_BY_SIDE := --numprocesses 3 --dist loadscope --no-loadscope-reorder
STARTED := $(shell date +%s.%N)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Dozens of processes of the tests read the same modules: where an image forbids it, each would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

# Stand-ins with which the settings load, as in production, where a command needs settings and no services.
SETTINGS := PYTHONPATH=platform:. SECRET_KEY=only-for-commands-without-services-Zq3vX8mT5rK1wL7pN2cB9dF4hJ6s \
	PUBLIC_URL=https://consilience.example.org DATABASE_URL=postgresql:///none?host=/nonexistent \
	REDIS_URL=redis://127.0.0.1:1/0 BLOB_ROOT=var/check/blobs PLATFORM_PUBLIC_KEY_FILE=var/check/platform.pub \
	PLATFORM_SIGNING_KEY_FILE=var/check/platform.key

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	@python=; \
	for name in python3.11 python3; do \
	    if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Consilience needs Python 3.11 or newer, as python3.11 or python3 on the PATH. On Debian and Ubuntu:"; \
	    echo "    apt-get install python3.11 python3.11-venv   (or python3 python3-venv)"; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python can't make virtual environments. On Debian and Ubuntu: apt-get install $$python-venv"; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV)

$(VENV)/installed: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing requirements.txt (the first time takes a few minutes; torch is large)"
	@$(BIN)/pip install --quiet -r requirements.txt
	@$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@echo "Installing requirements-dev.txt"
	@$(BIN)/pip install --quiet -r requirements-dev.txt
	@touch $@

install: $(VENV)/installed-dev ## .venv with everything

demo: $(VENV)/installed ## four hospitals train a model, until Ctrl-C (DEMO_DIR names its folder, var/demo by default)
	@exec $(BIN)/python -m demo run

demo-check: $(VENV)/installed ## the same in a temporary folder; the last line is JSON
	@exec $(BIN)/python -m demo check --install-started $(STARTED)

chromium:
	@if ! command -v chromium chromium-browser google-chrome >/dev/null; then \
	    if [ "$$(id -u)" -ne 0 ]; then \
	        echo "The tests of the pages need a browser. As root: apt-get install chromium"; exit 1; \
	    fi; \
	    echo "Installing chromium for the tests of the pages"; \
	    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium) >/dev/null; \
	fi

test: $(VENV)/installed-dev chromium ## every check and every test, side by side
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not long" --beside "$(MAKE) --no-print-directory check"

test-long: $(VENV)/installed-dev chromium ## what takes too long for every change: before an issue ends and before a release
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "long or hypothesis" --hypothesis-profile long

test-fast: $(VENV)/installed-dev ## the unit tests: less than a minute together
	@$(BIN)/python -m pytest -m "not slow" tests/unit/silo_connector & connector=$$!; \
	$(BIN)/python -m pytest -m "not slow" tests/unit --ignore tests/unit/silo_connector; wait $$connector

check: $(VENV)/installed-dev ## lint, types, layers, migrations, settings, generated documents
	@mkdir -p var/check
	@echo "check: ruff";             $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "check: locks";            python3 deploy/lock.py --check
	@echo "check: templates";        $(BIN)/djlint templates --lint --quiet
	@echo "check: layers";           PYTHONPATH=platform:. $(BIN)/lint-imports --no-cache >var/check/layers.txt || { cat var/check/layers.txt; exit 1; }
	@echo "check: types";            $(SETTINGS) $(BIN)/mypy .
	@$(SETTINGS) DJANGO_SETTINGS_MODULE=config.settings $(BIN)/python -m tooling.one_process \
	    check --fail-level WARNING -- check --deploy --fail-level WARNING -- \
	    spectacular --validate --fail-on-warn --file var/check/openapi.yaml
	@cmp -s var/check/openapi.yaml docs/openapi.yaml || { echo "docs/openapi.yaml is stale: run make openapi"; exit 1; }
	@$(SETTINGS) DJANGO_SETTINGS_MODULE=tooling.settings $(BIN)/python -m tooling.one_process migrations_whole -- \
	    state_diagrams docs/generated/states.md --check -- terms_table docs/generated/terms.md --check -- \
	    glossary docs/glossary.md --check -- messages --check
	@echo "check: workers";          $(SETTINGS) $(BIN)/celery -A config.celery report >/dev/null

bench-rounds: $(VENV)/installed ## how long a round takes and how much memory, at three model sizes (ARGS="--silos 50 --sizes 10000")
	@exec $(BIN)/python -m benchmarks.rounds $(ARGS)

bench-pages: $(VENV)/installed ## how long the server takes over every page of a platform that is full
	@exec $(BIN)/python -m benchmarks.pages

bench-housekeeping: $(VENV)/installed ## how long each duty of the housekeeping takes over 10,000 models
	@exec $(BIN)/python -m benchmarks.housekeeping

openapi: $(VENV)/installed-dev ## write docs/openapi.yaml anew
	@$(SETTINGS) $(MANAGE) spectacular --validate --fail-on-warn --file docs/openapi.yaml

lock: ## write deploy/locks anew from requirements.txt (CPU_WHEELS: folder or index of torch's wheels for CPUs)
	@test -x var/lock/bin/uv || { python3 -m venv var/lock && var/lock/bin/pip install --quiet "$$(grep '^uv==' deploy/lock-tools.txt)"; }
	@PATH="$$PWD/var/lock/bin:$$PATH" python3 deploy/lock.py --cpu-wheels "$(CPU_WHEELS)"

pictures: $(VENV)/installed-dev chromium ## take the pictures of README and docs anew, and of all pages that tests look at
	@CONSILIENCE_TESTS_PICTURES=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not long" tests/functional
	@cp var/screenshots/docs/job.png var/screenshots/docs/silos.png var/screenshots/docs/launch.png docs/pictures/

diagrams: $(VENV)/installed-dev ## write docs/generated and docs/glossary.md again
	@$(SETTINGS) $(MANAGE) state_diagrams $(TOOLING) docs/generated/states.md
	@$(SETTINGS) $(MANAGE) terms_table $(TOOLING) docs/generated/terms.md
	@$(SETTINGS) $(MANAGE) glossary $(TOOLING) docs/glossary.md

messages: $(VENV)/installed-dev ## collect what pages say into locale/, and compile it
	@$(SETTINGS) $(MANAGE) messages $(TOOLING)

clean: ## remove what was made, but not the demo's folder
	@rm -rf $(VENV) var/check .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
