# Airside. `make run` sets everything up and runs it; `make test` passes the tests. `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# dev builds in minutes, with the code that touches pixels optimised; PROFILE=release takes twice as long.
PROFILE ?= dev
BIN := target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
CARGO_FLAGS := --locked --profile $(PROFILE)

.PHONY: help setup build models demo run test test-chaos test-reconnects lint bench conformance clean

help: ## List the targets
	@grep -hE '^[a-z0-9_%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 26

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
	cargo clippy --workspace --all-targets --features airside-tests/cluster,airside-tests/package --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

test: lint models ## Everything that must hold: lint, then all tests
	cargo test --workspace $(CARGO_FLAGS)

bench: setup ## Measure against bare limits in the same run; prints tables of ratios
	cargo build --workspace --release --locked
	target/release/airside models pull
	cargo bench --locked -p airside-imaging -p airside-vision -p airside-tests --bench gate --bench analysis --bench capture --bench ingest --bench lanes --bench mesh --bench spool

conformance: setup ## Ask a running istiod what every rule means, or CASES=istio/timeout alone, and compare
	cargo run -q -p airside-conformance $(CARGO_FLAGS) -- --only "$(CASES)"

test-chaos: build models ## Kills, cuts, disks and clocks for long: 100 kills, ten minutes without a line; 40 minutes
	AIRSIDE_TEST_ENDURANCE=long cargo test -p airside-tests --test system $(CARGO_FLAGS) faults -- --nocapture

test-reconnects: setup ## A thousand reconnects of each kind of camera leave nothing behind; ten minutes
	AIRSIDE_TEST_ENDURANCE=long cargo test -p airside-agent --test endurance $(CARGO_FLAGS) -- --nocapture

# The agent's Debian package, and its tests in an emulated machine and under qemu-user (docs/testing.md).

.PHONY: setup-package deb deb-arm64 agent-arm64 test-package test-arm64 test-v4l2

setup-package: ## Install what the agent's Debian package needs to be built and tested
	@deploy/setup/setup.sh package

deb: setup-package ## The agent's Debian package for this machine, checked by lintian
	@deploy/debian/build.sh

deb-arm64: setup-package ## The agent's Debian package for arm64, cross-built
	@deploy/debian/build.sh arm64

agent-arm64: setup-package ## The agent for arm64, cross-built
	@deploy/arm64/sysroot.sh
	deploy/arm64/cargo.sh build --release --locked -p airside-agent

test-package: build models deb ## From apt install to purge in an emulated Debian; 10 minutes once the programs are built
	@VERSION=$$(cargo pkgid -p airside-agent | sed 's/.*[#@]//')+1 deploy/debian/build.sh
	@deploy/debian/machine.sh
	cargo test -p airside-tests --features package --test package $(CARGO_FLAGS) debian

test-arm64: build models agent-arm64 ## A film to a collector by the arm64 agent under qemu-user
	cargo test -p airside-tests --features package --test package $(CARGO_FLAGS) arm64

test-v4l2: setup-package ## The agent on two V4L2 devices in an emulated machine; two minutes once it is built
	cargo build -p airside-agent $(CARGO_FLAGS)
	@tests/v4l2/run.sh $(BIN)/airside-agent

# Images for a cluster (docs/kubernetes.md). BASE=… and BUILD_BASE=… are other bases than Debian's and Rust's images; PLATFORM=linux/arm64
# is what the images are for, if not this machine.

.PHONY: images image-bases image-demo

IMAGES := PLATFORM=$(PLATFORM) BASE=$(BASE) BUILD_BASE=$(BUILD_BASE) deploy/images

images: ## The images airside, airside-agent and airside-models, by docker, podman or buildah
	@$(IMAGES)/build.sh

image-demo: demo ## The image airside-demo: films and gallery for the overlay `film`
	@$(IMAGES)/build.sh demo

image-bases: ## Bases for BASE and BUILD_BASE out of Debian packages, where no image registry is reached
	@$(IMAGES)/bases.sh

.PHONY: test-cluster

test-cluster: build ## On the cluster of $$KUBECONFIG: the film, every experiment, restarts, forbidden calls, agents outside; 20 minutes
	cargo test -p airside-tests --features cluster --test cluster $(CARGO_FLAGS) -- --test-threads 1 --nocapture

.PHONY: bench-cluster

bench-cluster: setup ## On the cluster of $$KUBECONFIG: what sidecars cost, how analysis grows with its pods; ten minutes
	cargo build --workspace --release --locked
	target/release/airside models pull
	cargo bench --locked -p airside-tests --features cluster --bench cluster

clean: ## Remove what was built and made
	rm -rf target .airside models demo gallery

# The local mesh. Targets that change it want a running one: `make run`, or `make deploy-app-default` in the background.
# TARGET=cluster does the same on a cluster (docs/kubernetes.md); without it `airsidectl context` says what is meant.

CTL := $(BIN)/airsidectl$(if $(TARGET), --target $(TARGET))
# What TARGET=cluster deploys.
OVERLAY ?= deploy/k8s/overlays/default
# Each is an experiment, and its rules are the file of the same name.
RULES := cpanel-50-50 cpanel-header cpanel-v1 cpanel-v2 mirror round_robin random least_request ring_hash \
	fault-injection-500 fault-injection-delay10 timeout retries-fault retries outlier circuit-breaker \
	frames-retries
# Share of v2 in `make cpanel-canary PERCENT=0.1`.
PERCENT ?= 1

.PHONY: deploy-app-default deploy-istio-default health start-cameras stop-cameras load load-front $(RULES) \
	cpanel-canary load_balancing scale_v2_x1 scale_v2_x3 scale_deployment health-timeout health-retries \
	outlier-scale outlier-fault health-outlier load-fortio compare-k8s experiments default-reset all-reset

deploy-app-default: $(if $(filter cluster,$(TARGET)),build,demo) ## Start every service in the background, unless they run, and show them
	$(CTL) $(if $(filter cluster,$(TARGET)),deploy $(OVERLAY),up --detach)

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

$(RULES):
	$(CTL) apply -f deploy/istio/$@.yaml

cpanel-50-50: ## Half of the panel's requests to each version

cpanel-canary: ## PERCENT of the panel's requests to v2, 1 unless said
	$(CTL) canary --percent $(PERCENT)

cpanel-header: ## The panel: v2 for the test group and for Firefox

cpanel-v2: ## The panel: all to v2

cpanel-v1: ## The panel: all to v1

mirror: ## The panel: answers of v1, and a copy of each request to v2

scale_v2_x3: ## Three instances of the panel's v2
	$(CTL) scale cpanel-v2 3

scale_v2_x1: ## One instance of the panel's v2
	$(CTL) scale cpanel-v2 1

scale_deployment: ## Two collectors, image analyses and face recognitions
	$(CTL) scale collector-v1 2
	$(CTL) scale image-analysis-v1 2
	$(CTL) scale face-recognition-v1 2

round_robin random least_request ring_hash: scale_v2_x3

round_robin: ## The panel: all instances in turn, v1 : v2 is 1 : 3

load_balancing: round_robin ## The same

random: ## The panel: any instance by chance

least_request: ## The panel: of two instances the one with fewer requests

ring_hash: ## The panel: one x-camera-id, one instance

fault-injection-500: ## Every call of image analysis fails

fault-injection-delay10: ## Every call of image analysis is 10 s late

timeout: ## Half of the calls of camera-agent-1 are 10 s late, the panel has 3 s

health-timeout: ## How many states of camera 1 come in time
	$(CTL) load --path /cameras/1/state --requests 20 --concurrency 10 || true

retries-fault: ## A quarter of the calls of section-1 fail

retries: ## The same, and the panel's calls are tried three times more

health-retries: ## How many statuses of section-1 come
	$(CTL) load --path /sections/1/status || true

outlier-scale: ## Three collectors
	$(CTL) scale collector-v1 3

outlier: ## A collector with three errors in a row is left out for 10 s

outlier-fault: ## One collector plays faulty, or normal again
	$(CTL) fault collector-v1

health-outlier: ## Which collectors answer
	$(CTL) load --path /collector/status || true

circuit-breaker: ## The collector: one connection, one request that waits

frames-retries: ## Each try of an analysis has too little time, is tried again, and its instance is left out

load-fortio: ## Three clients at a time ask the collector
	$(CTL) load --path /collector/status --concurrency 3 || true

compare-k8s: ## What Kubernetes alone can and cannot do beside Istio, measured
	$(CTL) experiment $@

experiment-%: ## Carry out an experiment: measured, judged, put back (experiment-cpanel-50-50)
	$(CTL) experiment $*

experiments: ## All experiments in turn; writes docs/experiments.md
	$(CTL) experiment all $(if $(filter cluster,$(TARGET)),,--write docs/experiments.md)

default-reset: ## Back to the default rules, and no others
	$(CTL) reset

all-reset: ## End the mesh and remove its state: data, logs, Envoy's files
ifeq ($(TARGET),cluster)
	$(CTL) all-reset
else
	if [ -x $(BIN)/airsidectl ]; then $(BIN)/airsidectl --target local down; fi
	rm -rf .airside/run
endif
