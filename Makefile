# SPDX-License-Identifier: EUPL-1.2
# One door for every habit: make demo, make test, make lint, make bench NAME=…

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NET ?= auto
# Most tests wait for something; each worker has a network of its own (tests/conftest.py).
WORKERS ?= 3
export PORTAL_PORT ?= 8080
export KIOSK_PORT ?= 8081
export PLATFORM_PORT ?= 8082

.PHONY: help setup demo test soak lint format bench wheel bundle image deploy-test lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Install what the demo needs: Debian packages (as root) and the locked Python packages

# The tests bring whole systems along (NetworkManager, a second browser): not on a computer that only plays the demo.
build/.packages-demo build/.packages-test build/.packages-bench: build/.packages-%: tools/packages.sh
	@mkdir -p build
	@tools/packages.sh $*
	@touch $@

$(VENV)/.ready: build/.packages-demo requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run the whole zone on this computer; ONCE=1 plays the story once, NET=none without enforcement
	@$(BIN)/python -m lab.demo --net $(NET) $(if $(ONCE),--once)

test: setup build/.packages-test lint ## Run every test; as root on a machine for development, it installs what they use
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

soak: setup ## Run the long tests: clusters, kills, many devices
	@PARVIS_SOAK=1 tools/packages.sh test
	@PARVIS_SOAK=1 $(BIN)/python -m pytest -m soak --timeout=1800

lint: setup ## Style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## Mend what can be mended by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# Lighthouse 13 wants a newer Node.js than Debian's.
build/lighthouse/package.json: build/.packages-bench
	@mkdir -p $(@D)
	@npm install --silent --no-fund --no-audit --ignore-scripts --prefix $(@D) lighthouse@12.8.2

bench: setup $(if $(filter portal,$(NAME)),build/lighthouse/package.json) ## Measure: make bench NAME=spine
	@$(BIN)/python -m lab.bench $(NAME)

wheel: setup ## Build the wheel
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

bundle: setup ## Pack a release that devices install without the Internet
	@$(BIN)/python ansible/bundle.py

image: ## Build the card's image with debos: build/image/parvis-SUITE-arm64.img
	@mkdir -p build/image
	@cd build/image && debos --artifactdir=. -t suite:$(or $(SUITE),bookworm) $(IMAGE_OPTIONS) ../../image/parvis.yaml

deploy-test: setup ## Provision whole machines in containers, as root; takes minutes
	@lab/machine/packages.sh
	@cd ansible && ../build/deploy-venv/bin/ansible-lint -q
	@PARVIS_DEPLOY=1 $(BIN)/python -m pytest -m deploy tests/deploy

lock: ## Resolve the dependencies again, for every Python that we support
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	@build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-emit-index-url --no-header --extra lab --group build --output-file requirements.lock pyproject.toml

clean: ## Remove what was built
	@rm -rf build dist
