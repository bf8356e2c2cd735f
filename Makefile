# gatewright's everyday commands; `make train` and `make test` are all that a newcomer needs.

CARGO ?= cargo
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Mesa's drivers complain on stderr where no desktop session has set this.
export XDG_RUNTIME_DIR ?= /tmp

# Python 3.11 or newer, for the package in python/ and its tests.
PYTHON ?= python3
VENV := $(CURDIR)/target/python

.PHONY: train test lint driver python package

train:
	$(CARGO) run --release -- train

test: driver
	$(CARGO) test --release
	$(MAKE) python
	cd python && $(VENV)/bin/python -m pytest -q

# Builds the wheel and installs it, with what its tests want, into an environment of its own.
python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r python/requirements.txt
	PATH="$(VENV)/bin:$$PATH" pip install -q --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall ./python

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	$(CARGO) clippy --release --lib --no-default-features -- -D warnings
	$(CARGO) clippy --release -p gatewright-python -- -D warnings
	$(MAKE) package

# Training needs no driver: without a GPU it runs on the CPU. Tests run the shaders, for which Debian's software Vulkan does
# where there is no GPU. A machine with a driver is left alone.
driver:
	$(CARGO) build --release
	@$(CARGO) run --quiet --release -- devices --json | grep -q '"backend"' || \
	if command -v apt-get >/dev/null; then \
		echo "no GPU driver found: installing software Vulkan (mesa-vulkan-drivers)"; \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq mesa-vulkan-drivers; \
	else \
		$(CARGO) run --quiet --release -- devices; \
	fi

# The index of crates takes packages of up to 10 MiB.
package:
	$(CARGO) package --quiet --no-verify --allow-dirty -p gatewright -p gatewright-mnist-train
	@for crate in target/package/gatewright-*.crate; do \
		[ $$(wc -c < $$crate) -lt 10485760 ] || { echo "$$crate is larger than the index takes"; exit 1; }; \
	done
