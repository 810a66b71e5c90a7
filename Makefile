# make run    set everything up and listen
# make test   set everything up and test
# make help   the rest

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GROUPS := --group test --group train --group export --group bench --group report --group docs
# Two processes: most tests wait for microphones, brokers and browsers.
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup
# In CI: the gate on coverage, and a home whose owner would notice if a test touched anything (tests/hostile.py).
COVERAGE = --cov --cov-report=term:skip-covered --cov-fail-under=92
TEST = $(if $(CI),$(BIN)/python -m tests.hostile $(PYTEST) $(COVERAGE),$(PYTEST))
# Reproducible: constraints.txt says which versions were tested together.
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
VENV_PACKAGE := $(shell $(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2] if sys.executable == "/usr/bin/python3" else "")' 2>/dev/null)
HEADERS_PACKAGE := $(if $(VENV_PACKAGE),python3-dev)

.PHONY: run test check lint format lock bench soak model data demo docs picture pictures wheels dist deb clean help

run: $(VENV)/.run
	$(BIN)/listener run --or-demo

test: $(VENV)/.test lint
	$(TEST)

check: $(VENV)/.test lint  ## everything but the slow tests; about a minute
	$(PYTEST) -m "not slow"

lint: $(VENV)/.test  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test  ## what it costs, beside what people would use instead
	$(BIN)/python -m bench

soak: $(VENV)/.test  ## does it stay up? hours; SCALE=0.05 for a quick look
	$(BIN)/python -m soak --scale $(or $(SCALE),1)

model: $(VENV)/.test  ## the shipped model, from ../shared/data to its card; five hours on two cores
	PATH="$(CURDIR)/$(BIN):$$PATH" sh export/make_default.sh

data: $(VENV)/.run  ## public data sets for training, from their publishers, into sounds/; 7 GB
	$(BIN)/python -m scripts.fetch_data

demo: $(VENV)/.test  ## make the demo recording again
	$(BIN)/python -m scripts.make_demo

lock: $(VENV)/.test  ## constraints.txt again, with the newest versions
	$(BIN)/python -m scripts.lock

site: $(VENV)/.test  ## the documentation site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

docs: $(VENV)/.run  ## what is made from the program: config.toml, its page, the manual, units
	$(BIN)/listener check --defaults > config.toml
	$(BIN)/python -m scripts.make_configuration
	$(BIN)/python -m scripts.make_errors
	$(BIN)/python -m scripts.make_manual
	$(BIN)/python -m scripts.make_units

picture: $(VENV)/.run  ## the README's picture again, of the demo recording; a minute
	$(BIN)/python -m scripts.make_picture

pictures: $(VENV)/.test picture  ## all pictures: the terminal, and the page in a browser; three minutes
	$(BIN)/python -m scripts.make_pictures

wheels: $(VENV)/.run  ## which Pythons and machines it installs on without a compiler
	$(BIN)/python -m scripts.check_wheels

dist: $(VENV)/.test  ## the wheel and the source archive, into dist/
	$(BIN)/python -m build

deb:  ## a Debian package for this machine's release, into dist/
	packaging/debian/build.sh

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*

help:
	@grep -E '^# make|##' Makefile | grep -v grep | sed 's/:.*##/  /; s/^# //'

$(VENV)/.pip:
	scripts/system-packages.sh libportaudio2 $(VENV_PACKAGE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "listener needs Python 3.11 or newer; make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -U 'pip>=25.1'
	touch $@

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/.pip
	scripts/system-packages.sh libportaudio2
	$(PIP) install -e . -c constraints.txt
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/.pip
	scripts/system-packages.sh libportaudio2 portaudio19-dev gcc libc6-dev $(HEADERS_PACKAGE) pulseaudio pulseaudio-utils libasound2-plugins mosquitto tmux chromium nginx
	$(PIP) install $(GROUPS) -e '.[all]' -c constraints.txt
	touch $@
