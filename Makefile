# "make" lists the targets. Every module is found by its go.mod, so a new one
# needs no entry here (go.work lists it too, which internal/layout checks).

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := help
# go test uses all cores by itself, and what it needs is installed before it.
.NOTPARALLEL:

# Modules with code, as paths: ". ./adapters/sqlite ...". A module that holds
# only pinned versions, such as tools, has nothing to build or to test.
ALL_MODULES := $(patsubst %/go.mod,%,$(sort $(shell find . -name go.mod -not -path '*/.*' -not -path '*/testdata/*')))
MODULES     := $(foreach m,$(ALL_MODULES),$(if $(shell find $(m) -name '*.go' -print -quit),$(m)))
PACKAGES    := $(addsuffix /...,$(MODULES))

# Flags for every "go test", such as TESTFLAGS='-count=1 -v'.
TESTFLAGS ?=
# A package that takes longer hangs.
TESTTIMEOUT ?= 15m

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: backends test-workspace test-modules ## vet and test every module; installs the servers this needs (Debian)

.PHONY: backends
backends: ## install PostgreSQL and what else the tests need
	@./internal/testenv/install.sh

# In the workspace all modules use one version of each dependency.
.PHONY: test-workspace
test-workspace: export REQUIRE_BACKENDS = 1
test-workspace:
	@echo '--- workspace: go vet'
	@go vet $(PACKAGES)
	@echo '--- workspace: go test'
	@go test -race -vet=off -timeout $(TESTTIMEOUT) $(TESTFLAGS) $(PACKAGES)

# Outside it each module uses the versions of its own go.mod, as its users do.
# Where they are the same ones, the test binary is too, and go test answers with
# the result of the run before instead of a second run.
.PHONY: test-modules
test-modules: export REQUIRE_BACKENDS = 1
test-modules: export GOWORK = off
test-modules:
	@for module in $(MODULES); do \
	  echo "--- $$module with GOWORK=off: go vet, go test"; \
	  (cd $$module && go vet ./... && go test -race -vet=off -timeout $(TESTTIMEOUT) $(TESTFLAGS) ./...); \
	done

.PHONY: lint
lint: bin/golangci-lint ## check style, common faults and go.mod files
	@echo '--- formatting'
	@bin/golangci-lint fmt --diff
	@echo '--- golangci-lint'
	@bin/golangci-lint run $(PACKAGES)
	@for module in $(ALL_MODULES); do \
	  echo "--- $$module: go mod tidy -diff"; \
	  (cd $$module && GOWORK=off go mod tidy -diff); \
	done

.PHONY: fmt
fmt: bin/golangci-lint ## format the code
	@bin/golangci-lint fmt

.PHONY: tidy
tidy: ## tidy every go.mod
	@for module in $(ALL_MODULES); do \
	  echo "--- $$module"; \
	  (cd $$module && GOWORK=off go mod tidy); \
	done

BENCH ?= .
BENCHTIME ?= 1s
COUNT ?= 1

# Each count is a run of its own, so that contenders are compared within it.
.PHONY: bench
bench: export REQUIRE_BACKENDS = 1
bench: ## run the benchmarks; BENCH=regexp COUNT=10 BENCHTIME=1s, output for benchstat and ratios
	@dirs=$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs dirname | sort -u); \
	for count in $$(seq $(COUNT)); do \
	  go test -run '^$$' -bench '$(BENCH)' -benchtime '$(BENCHTIME)' -benchmem -timeout 0 $$dirs; \
	done

TO ?= floor

.PHONY: ratios
ratios: ## run the benchmarks and show each contender beside the floor, or TO=peer,peer; BENCH=regexp COUNT=10
	@$(MAKE) --no-print-directory bench BENCH='$(BENCH)' COUNT=$(COUNT) BENCHTIME=$(BENCHTIME) | tee /dev/stderr | go run ./benchmarks/ratios -to '$(TO)'

.PHONY: benchstat
benchstat: bin/benchstat ## compare benchmark runs; RUNS='old.txt new.txt'
	@bin/benchstat $(RUNS)

FUZZTIME ?= 20s

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME=20s
	@for dir in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r dirname | sort -u); do \
	  targets=$$(cd $$dir && go test -list '^Fuzz' . | grep '^Fuzz'); \
	  for target in $$targets; do \
	    echo "--- $$dir: $$target for $(FUZZTIME)"; \
	    (cd $$dir && go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .); \
	  done; \
	done

# Soak tests are named TestSoak... and stand in files with the build tag soak.
.PHONY: soak
soak: export REQUIRE_BACKENDS = 1
soak: backends ## run the long tests (build tag soak)
	@for dir in $$(grep -rl --include='*_test.go' '^//go:build.*\bsoak\b' . | xargs -r dirname | sort -u); do \
	  echo "--- $$dir"; \
	  (cd $$dir && go test -race -tags soak -run '^TestSoak' -v -timeout 2h $(TESTFLAGS) .); \
	done

.PHONY: cover
cover: export REQUIRE_BACKENDS = 1
cover: backends ## test the root module and write coverage.html
	@go test -timeout $(TESTTIMEOUT) -coverpkg ./... -coverprofile coverage.txt $(TESTFLAGS) ./...
	@go tool cover -html coverage.txt -o coverage.html
	@go tool cover -func coverage.txt | tail -1

.PHONY: vuln
vuln: bin/govulncheck ## look for known vulnerabilities (asks vuln.go.dev)
	@for module in $(MODULES); do \
	  echo "--- $$module"; \
	  (cd $$module && GOWORK=off $(CURDIR)/bin/govulncheck ./...); \
	done

# All modules are released together: what others import is compared with what
# it was when the last v1.2.3 was tagged. New modules are left out.
.PHONY: api
api: bin/apidiff ## show how the exported API differs from the last tag
	@tag=$$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null) \
	  || { echo 'No release is tagged yet, so there is no API to compare with.'; exit 0; }; \
	work=$$(mktemp -d); \
	trap 'git worktree remove --force "$$work/tree"; rm -rf "$$work"' EXIT; \
	git worktree add --quiet --detach "$$work/tree" "$$tag"; \
	export GOWORK=off; \
	for dir in $(filter . ./adapters/%,$(MODULES)); do \
	  [ -e "$$work/tree/$$dir/go.mod" ] || continue; \
	  module=$$(cd $$dir && go list -m); \
	  echo "--- $$module since $$tag"; \
	  (cd "$$work/tree/$$dir" && $(CURDIR)/bin/apidiff -m -w "$$work/old" "$$module" 2>&1); \
	  (cd $$dir && $(CURDIR)/bin/apidiff -m "$$work/old" "$$module" 2>&1); \
	done | { grep -v '^Ignoring internal package' || true; }

# A tool is built once, from the versions pinned in tools/go.mod, and again when
# they change. Being outside the workspace keeps the tools' versions of common
# dependencies out of the library's tests.
bin/%: tools/go.mod tools/go.sum
	@echo '--- building $@ (once; golangci-lint takes some minutes)'
	@cd tools && GOWORK=off go build -buildvcs=false -o ../bin/ "$$(GOWORK=off go list tool | grep '/$*$$')"
	@touch $@
