# Airside. `make run` sets everything up and runs it; `make test` passes the tests. `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# dev builds in minutes, with the code that touches pixels optimised; PROFILE=release takes twice as long.
PROFILE ?= dev
BIN := target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
CARGO_FLAGS := --locked --profile $(PROFILE)

.PHONY: help setup build models demo run test lint bench clean

help: ## List the targets
	@grep -hE '^[a-z0-9_-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 26

setup: ## Install what this machine lacks (Debian packages, Python wheels)
	@deploy/setup/setup.sh

build: setup ## Build every program
	cargo build --workspace $(CARGO_FLAGS)

models: build ## Obtain, verify and convert the face nets into models/
	$(BIN)/airside models pull

demo: models ## Make the demo films, their truth and the gallery
	$(BIN)/airsidectl demo footage

run: demo ## Set up, then run cameras, services and the mesh: http://localhost:31221
	$(BIN)/airsidectl up

lint: setup ## Formatting, clippy and rustdoc, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

test: lint models ## Everything that must hold: lint, then all tests
	cargo test --workspace $(CARGO_FLAGS)

bench: setup ## Measure against bare limits in the same run; prints tables of ratios
	cargo build --workspace --release --locked
	target/release/airside models pull
	cargo bench --locked -p airside-vision -p airside-tests --bench analysis --bench capture --bench ingest

clean: ## Remove what was built and made
	rm -rf target .airside models demo gallery

# The local mesh. Targets that change it want a running one: `make run`, or `make deploy-app-default` in the background.

CTL := $(BIN)/airsidectl

.PHONY: deploy-app-default deploy-istio-default health start-cameras stop-cameras load load-front \
	cpanel-50-50 cpanel-v1 cpanel-v2 default-reset all-reset

deploy-app-default: demo ## Start every service in the background, unless they run, and show them
	$(CTL) up --detach

deploy-istio-default: ## Put the default rules in force: everything to cpanel v1
	$(CTL) apply -f deploy/istio/default

health: ## Every status line and both camera states
	$(CTL) health

start-cameras: ## All cameras stream
	$(CTL) cameras start

stop-cameras: ## No camera streams
	$(CTL) cameras stop

load: ## 100 requests, then who answered
	$(CTL) load

load-front: ## 100 times the page's headline, then who answered
	$(CTL) load --front

cpanel-50-50: ## Half of the panel's requests to each version
	$(CTL) apply -f deploy/istio/$@.yaml

cpanel-v1: ## The panel: all to v1
	$(CTL) apply -f deploy/istio/$@.yaml

cpanel-v2: ## The panel: all to v2
	$(CTL) apply -f deploy/istio/$@.yaml

default-reset: ## Back to the default rules, and no others
	$(CTL) reset

all-reset: ## End the mesh and remove its state: data, logs, Envoy's files
	if [ -x $(CTL) ]; then $(CTL) down; fi
	rm -rf .airside/run
