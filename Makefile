# What a person or CI runs; `make help` lists it.
#
# `make demo` needs Go, make, and a C and a C++ compiler (DuckDB is linked in).
# Everything else that a target needs it builds or installs itself, below .cache.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

GO    ?= go
CACHE := $(CURDIR)/.cache
TOOLS := $(CACHE)/bin

# One set of tags for build, test and lint: DuckDB's packages are compiled once.
TAGS  := duckdb_arrow
# VERSION=1.2.3 names a release; without it the source says the version.
VERSION ?=
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))
# The commit is left out, so that a new one does not link everything again.
BUILD := -buildvcs=false -tags=$(TAGS)
TEST  := -tags=$(TAGS) -shuffle=on -timeout=15m

# Packages that run goroutines: their tests run under the race detector. The rest
# is sequential, and runs without, several times faster.
CONCURRENT := ^github\.com/freshet/freshet/(ingest|serving|featurestore/(online|registry|predictions)|cmd/internal/(canary|doctor|node))(/|$$)
# Packages whose tests start a real Kafka broker or a real redis-server.
SERVICES := /(redistest|kafkatest)( |$$)
PACKAGES = $(GO) list -tags=$(TAGS) ./...
IMPORTS  = $(GO) list -tags=$(TAGS) -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}} ' ./...

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Try it

.PHONY: demo
demo: bin/freshet ## The main job on the bundled real data, in one process: needs Go, make and a C/C++ compiler
	bin/freshet demo

.PHONY: demo-services
demo-services: bin/freshet ## The same against a real Kafka broker and a real redis-server, started for it
	bin/freshet demo-services

##@ Build

.PHONY: build
build: bin/freshet bin/freshetd ## Both programs, into bin/

.PHONY: bin/freshet
bin/freshet: compiler
	$(GO) build $(BUILD) -ldflags='$(LDFLAGS)' -o $@ ./cmd/freshet

.PHONY: bin/freshetd
bin/freshetd:
	CGO_ENABLED=0 $(GO) build $(BUILD) -trimpath -ldflags='$(LDFLAGS)' -o $@ ./cmd/freshetd

.PHONY: compiler
compiler:
	@test "$$($(GO) env CGO_ENABLED)" = 1 || { \
		echo "DuckDB needs cgo, and it is off: install a C and a C++ compiler (Debian: apt-get install g++), and unset CGO_ENABLED" >&2; exit 1; }
	@for program in $$($(GO) env CC) $$($(GO) env CXX); do case $$program in -*) ;; *) command -v "$$program" >/dev/null || { \
		echo "$$program is missing: DuckDB needs a C and a C++ compiler (Debian: apt-get install g++)" >&2; exit 1; } ;; esac; done

##@ Test

.PHONY: test
test: compiler services test-race test-explore test-rest ## Everything: units, races, a real Kafka broker and a real redis-server
	@echo "make test: all passed"

.PHONY: services
services: ## Find redis-server and Kafka's jars, or install them where that is allowed
	@echo "== what the tests need"
	@$(GO) run $(BUILD) ./cmd/internal/testneeds || { \
		echo "make test needs what is named above; \`make test-fast\` runs every test that needs neither Kafka nor Redis" >&2; exit 1; }

.PHONY: test-race
test-race: ## The packages that run goroutines, under the race detector
	@echo "== packages that run goroutines, under the race detector"
	$(GO) test $(TEST) -race $$($(PACKAGES) | grep -E '$(CONCURRENT)')

.PHONY: test-explore
test-explore: ## The write path: random schedules, and its mutants, without the race detector
	@echo "== random schedules of the write path, and mutants of it"
	$(GO) test -tags=$(TAGS) -timeout=15m -v -run='^(TestExplore|TestMutantsAreCaught)$$' ./ingest/worker -explore.schedules=100000

SCHEDULES ?= 1000000
SEED      ?= 1

.PHONY: explore
explore: ## Random schedules of the write path by hand: make explore SCHEDULES=1000000 SEED=1
	$(GO) test -tags=$(TAGS) -timeout=0 -v -run='^TestExplore$$' ./ingest/worker -explore.schedules=$(SCHEDULES) -explore.seed=$(SEED)

.PHONY: test-rest
test-rest: ## All other packages
	@echo "== all other packages"
	$(GO) test $(TEST) $$($(PACKAGES) | grep -Ev '$(CONCURRENT)')

.PHONY: test-fast
test-fast: compiler ## Every test that needs no Kafka and no Redis, without the race detector
	$(GO) test -tags=$(TAGS) $$($(IMPORTS) | grep -Ev '$(SERVICES)' | cut -d ' ' -f 1)

.PHONY: torture
torture: build services ## Real Kafka, Redis and processes, broken in every way that docs/failures.md names; every value compared (20 min)
	$(GO) run $(BUILD) ./cmd/internal/torture -out .bench/torture.json $(TORTURE)

.PHONY: torture-short
torture-short: build services ## The part of it that takes some minutes
	$(GO) run $(BUILD) ./cmd/internal/torture -short -out .bench/torture-short.json $(TORTURE)

FUZZTIME ?= 20s

.PHONY: fuzz
fuzz: ## Every fuzzer for FUZZTIME (20s): make fuzz FUZZTIME=5m
	@grep -rn --include='*_test.go' '^func Fuzz' . | sed -E 's#^\./(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*#\1 \2#' | sort | while read -r dir name; do \
		echo "== $$name in $$dir"; \
		fuzz() { $(GO) test -tags=$(TAGS) -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) "./$$dir" </dev/null; }; \
		fuzz || { echo "== once more: an input that fails is kept and fails again; Go's fuzzer may also fail at its own deadline" && fuzz; } || exit 1; done
	@echo "make fuzz: nothing found"

.PHONY: reference
reference: ## The conformance vectors by the independent reference in Python (needs python3 with venv)
	@test -x $(CACHE)/reference/bin/python || { python3 -m venv $(CACHE)/reference && $(CACHE)/reference/bin/pip install -q 'xxhash==3.*'; }
	$(CACHE)/reference/bin/python testdata/conformance/reference.py

##@ Measure

.PHONY: bench-engine
bench-engine: ## The aggregation engine alone: a table, and .bench/engine.json
	$(GO) run $(BUILD) ./cmd/internal/bench engine -out .bench/engine.json

# BENCH are flags for these: make bench-B5 BENCH='-events 600000 -pairs 5 -sustained 10s'
.PHONY: bench-B5
bench-B5: services bin/freshetd ## The stream on a real Kafka broker and redis-server, against a throwaway ceiling: .bench/B5.json
	$(GO) run $(BUILD) ./cmd/internal/bench B5 -out .bench/B5.json $(BENCH)

.PHONY: bench-B6
bench-B6: services bin/freshetd ## Freshness at fixed rates, against SET and GET: .bench/B6.json
	$(GO) run $(BUILD) ./cmd/internal/bench B6 -out .bench/B6.json $(BENCH)

.PHONY: bench-rebuild
bench-rebuild: services bin/freshetd ## The fill of a new generation from the archive, by size: .bench/rebuild.json
	$(GO) run $(BUILD) ./cmd/internal/bench rebuild -out .bench/rebuild.json $(BENCH)

##@ Check

.PHONY: check
check: lint generate-check static-check ## lint, generate-check and static-check

.PHONY: lint
lint: $(TOOLS)/golangci-lint $(TOOLS)/buf ## golangci-lint and buf, both pinned
	$(TOOLS)/golangci-lint run --allow-parallel-runners ./...
	cd serving/api && $(TOOLS)/buf lint

.PHONY: generate-check
generate-check: generator ## Fail if checked-in generated code is not what the sources give
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	(cd serving/api && PATH="$(TOOLS):$$PATH" $(TOOLS)/buf generate -o "$$dir") && \
	for file in "$$dir"/v1/*.go; do diff -u "serving/api/v1/$${file##*/}" "$$file" || { \
		echo "serving/api/v1/$${file##*/} is stale: run \`make generate\` and commit it" >&2; exit 1; }; done && \
	echo "generated code is up to date"

.PHONY: static-check
static-check: bin/freshetd ## Fail unless bin/freshetd is static and holds no DuckDB
	@$(GO) version -m bin/freshetd | grep -q 'CGO_ENABLED=0' || { echo "bin/freshetd was built with cgo" >&2; exit 1; }
	@if $(GO) version -m bin/freshetd | grep -i duckdb-go; then echo "bin/freshetd holds DuckDB" >&2; exit 1; fi
	@if command -v ldd >/dev/null && ldd bin/freshetd >/dev/null 2>&1; then echo "bin/freshetd is linked dynamically" >&2; exit 1; fi
	@echo "bin/freshetd is static"

##@ Change

.PHONY: generate
generate: generator ## Generate the code of serving/api from its .proto files
	cd serving/api && PATH="$(TOOLS):$$PATH" $(TOOLS)/buf generate

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format the Go files
	$(TOOLS)/golangci-lint fmt ./...

.PHONY: clean
clean: ## Remove what was built; the cache of tools and jars stays
	rm -rf bin .bench

# The tools are pinned in modules of their own, so that their dependencies never
# move ours.
.PHONY: generator
generator: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc

$(TOOLS)/buf: .tools/proto/go.mod .tools/proto/go.sum
	cd .tools/proto && GOBIN=$(TOOLS) $(GO) install -buildvcs=false tool
	@touch $@

$(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc: .tools/gen/go.mod .tools/gen/go.sum
	cd .tools/gen && GOBIN=$(TOOLS) $(GO) install -buildvcs=false tool
	@touch $@

$(TOOLS)/golangci-lint: .tools/lint/go.mod .tools/lint/go.sum
	@echo "building golangci-lint: some minutes, once"
	cd .tools/lint && GOBIN=$(TOOLS) $(GO) install -buildvcs=false tool
	@touch $@
