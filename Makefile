# Everything runs in its own virtual environment, made on first use.
#   make serve                    start the server        make help      the other targets
#   make serve PYTHON=python3.12  another Python          make test ARGS="-k stalled"

PYTHON ?= python3
VENV ?= .venv
SECONDS ?= 120
LOWEST := .venv-lowest
NEWEST := .venv-newest
ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# What takes long or starts servers and browsers is left to test-all, but for one run of each that shows the main job.
QUICK := smoke or not (slow or server or browser or alone)
# Tests start some hundred servers and commands. Where a shell forbids bytecode (PYTHONDONTWRITEBYTECODE), each of them
# compiles all that it imports, six seconds of a core for a server: here it is written in any case.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist loadfile
# Of `make test`: twice as many as a small machine has cores, for a test waits a third of its time:
# for a job, a source or the end of a process.
AT_ONCE ?= 4
SLOWEST := --durations 40 --durations-min 4

.DEFAULT_GOAL := help
.PHONY: help serve test test-all test-rest test-alone test-again check format bench soak lowest newest clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

# exec: Ctrl-C and SIGTERM reach gunicorn itself, which drains its streams before it ends.
serve: $(VENV)/.runtime ## Start the server on http://127.0.0.1:8000 (EMG_* settings: see .env.example)
	@exec $(BIN)/gunicorn -c gunicorn.conf.py wsgi:app

test: $(VENV)/.dev ## Run the tests of some minutes (ARGS="..." goes to pytest)
	@$(PYTEST) -n $(AT_ONCE) -m "not gpu and ($(QUICK))" $(ARGS)

test-all: test test-rest test-alone ## Run all tests but those for a GPU

# Three at a time: what these check happens in real time, and mostly waits for it. Those marked `alone` have the machine
# to themselves.
test-rest: $(VENV)/.dev
	@$(PYTEST) $(SLOWEST) -n 3 -m "not (gpu or alone or $(QUICK))"

test-alone: $(VENV)/.dev
	@$(PYTEST) $(SLOWEST) -m "alone and not gpu"

# Those that failed the last time they ran, whichever target ran them.
test-again: $(VENV)/.dev
	@$(PYTEST) --last-failed --last-failed-no-failures none -m "not gpu"

check: $(VENV)/.dev ## Check format, lint, types and import contracts
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

bench: $(VENV)/.bench ## Run the benchmarks and write docs/benchmarks.md (ARGS="streams" runs one)
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(VENV)/.dev ## Bear everything at once for SECONDS=120 and see that nothing is left of it
	@$(BIN)/python -m benchmarks.soak --seconds $(SECONDS)

# Tools of the tests are the newest; what is tested is the lowest. Slow tests and those of whole servers stay out.
lowest: ## Test with the lowest versions of requirements.txt (PYTHON=python3.10 is the lowest Python)
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python -m pip --quiet --disable-pip-version-check install uv
	@$(LOWEST)/bin/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	  requirements.txt --output-file $(LOWEST)/lowest.txt
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python -r $(LOWEST)/lowest.txt pytest hypothesis trustme
	@$(LOWEST)/bin/python -m pytest -m "not (gpu or slow or server or browser or data)" tests/api tests/emg tests/serving $(ARGS)

# We stand on internals of gunicorn and gevent: requirements.txt stops at the minors that are tested.
newest: ## Test whole servers with the newest gunicorn and gevent
	@$(PYTHON) -m venv --clear $(NEWEST)
	@$(NEWEST)/bin/python -m pip --quiet --disable-pip-version-check install -r requirements-dev.txt
	@$(NEWEST)/bin/python -m pip --quiet --disable-pip-version-check install --upgrade gunicorn gevent
	@$(NEWEST)/bin/python -m pip --disable-pip-version-check list | grep -E '^(gunicorn|gevent) '
	@$(NEWEST)/bin/python -m pytest -m "not gpu" tests/server tests/api tests/serving $(ARGS)

clean: ## Remove the virtual environment and the caches
	@rm -rf $(VENV) $(LOWEST) $(NEWEST) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	@echo "Installing requirements-bench.txt (once) ..."
	@$(PIP) install -r requirements-bench.txt
	@touch $@

# One after the other, also under `make -j`: two pips must not write into one environment.
$(VENV)/.dev: requirements-dev.txt requirements-devices.txt requirements-outputs.txt requirements-files.txt $(VENV)/.runtime
	@echo "Installing requirements-dev.txt (once) ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/.runtime: requirements.txt $(VENV)/.made
	@echo "Installing requirements.txt (once; PyTorch is large) ..."
	@$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: $(PYTHON) was not found; name a Python 3.10 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is older than Python 3.10; name a newer one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
	  echo "make: \`$(PYTHON) -m venv $(VENV)\` failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@
