# gatewright's everyday commands; `make train` and `make test` are all that a newcomer needs.

CARGO ?= cargo
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Mesa's drivers complain on stderr where no desktop session has set this.
export XDG_RUNTIME_DIR ?= /tmp

.PHONY: train test lint driver

train: driver
	$(CARGO) run --release -- train

test: driver
	$(CARGO) test --release

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings

# A GPU driver is needed; where there is none, Debian's software Vulkan does. A machine with one is left alone.
driver:
	$(CARGO) build --release
	@$(CARGO) run --quiet --release -- devices >/dev/null 2>&1 || \
	if command -v apt-get >/dev/null; then \
		echo "no GPU driver found: installing software Vulkan (mesa-vulkan-drivers)"; \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq mesa-vulkan-drivers; \
	else \
		$(CARGO) run --quiet --release -- devices; \
	fi
