# Two commands do everything: `make run` and `make test`. Both build what they need first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
export UV_CACHE_DIR := $(CURDIR)/$(VENV)/cache

.PHONY: run env test night bench legacy cluster lock clean

run: env
	@$(BIN)/foresight run $(ARGS)

env: $(VENV)/.run.stamp

test: $(VENV)/.dev.stamp $(VENV)/.chain.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

# What takes minutes as well, one test at a time: some of it needs the machine to itself.
night: $(VENV)/.dev.stamp
	$(BIN)/python -m pytest --run-nightly $(ARGS)

# The client of before CLOB V2, for exchange.client = "legacy-v1" alone.
legacy: $(VENV)/.run.stamp
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/legacy.lock

# Dask, for sweeps on more than one machine: on the one that types `foresight sweep --cluster`, and on each that works.
cluster: $(VENV)/.run.stamp
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/cluster.lock

bench: $(VENV)/.dev.stamp
	$(BIN)/python -m pytest tests/bench --run-bench $(ARGS)

$(UV): requirements/bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Foresight needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Type: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "Foresight builds its own environment and '$(PYTHON)' has no venv. On Debian type: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/bootstrap.lock

# The worker's packages are installed once here as well, so that staging a release never needs the network.
$(VENV)/.run.stamp: $(UV) requirements/run.lock requirements/worker.lock pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q shared supervisor worker deploy
	touch $@

$(VENV)/.dev.stamp: $(VENV)/.run.stamp requirements/dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	touch $@

# A real EVM and the real contracts, for tests/chain alone. Hashes, no addresses, no script of a package is run.
$(VENV)/.chain.stamp: $(UV) tests/chain/package.json tests/chain/package-lock.json
	@command -v npm > /dev/null || \
	  { echo "Claims are tested against a real chain, which comes through npm. On Debian type: apt-get install npm"; exit 1; }
	mkdir -p $(VENV)/chain
	cp tests/chain/package.json tests/chain/package-lock.json $(VENV)/chain
	npm ci --prefix $(VENV)/chain --ignore-scripts --no-fund --no-audit --silent
	touch $@

# Hashes, no addresses: a lock names what is installed, not where it was found.
LOCK := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-annotate --no-header --quiet
lock: $(UV)
	$(LOCK) --group bootstrap -o requirements/bootstrap.lock
	$(LOCK) -c requirements/bootstrap.lock pyproject.toml -o requirements/run.lock
	$(LOCK) -c requirements/run.lock --group worker -o requirements/worker.lock
	$(LOCK) -c requirements/run.lock pyproject.toml --group dev -o requirements/dev.lock
	$(LOCK) -c requirements/dev.lock pyproject.toml --extra legacy -o requirements/legacy.lock
	$(LOCK) -c requirements/dev.lock pyproject.toml --extra cluster -o requirements/cluster.lock

clean:
	rm -rf $(VENV)
