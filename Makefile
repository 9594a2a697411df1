# make help lists the targets.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
PLATFORMS := linux/amd64 linux/arm64

# Packages that are built and tested at once; the e2e stories start processes of
# their own, so more of them only makes each slower.
PARALLEL ?= 2
FUZZTIME ?= 10s
SOAKTIME ?= 10m

LINT := bin/golangci-lint
STATIC := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'

##@ Build

.PHONY: build
build: ## Build bin/ripcord, one static binary (the default)
	$(STATIC) -o bin/ripcord ./cmd/ripcord

.PHONY: dist
dist: ## Build release binaries and SHA256SUMS in dist/, and verify them
	rm -rf dist && mkdir -p dist
	for platform in $(PLATFORMS); do \
	  os=$${platform%/*} arch=$${platform#*/}; \
	  echo "dist/ripcord-$$os-$$arch"; \
	  GOOS=$$os GOARCH=$$arch $(STATIC) -o "dist/ripcord-$$os-$$arch" ./cmd/ripcord; \
	done
	cp LICENSE dist/
	cd dist && sha256sum LICENSE ripcord-* > SHA256SUMS && sha256sum --check --strict SHA256SUMS

##@ Try

.PHONY: demo
demo: build ## Release a real shop: good, failing, killed and recovered
	examples/demo.sh

.PHONY: demo-canary demo-haproxy demo-nginx
demo-canary: build ## A canary caught by what the built-in proxy counts
	examples/canary.sh proxy
demo-haproxy: build ## The same behind HAProxy
	examples/canary.sh haproxy
demo-nginx: build ## The same behind nginx
	examples/canary.sh nginx

.PHONY: demo-data demo-postgres
demo-data: build ## Migrations that fail, and a backup that was restored, on SQLite
	examples/data.sh sqlite
demo-postgres: build ## The same on PostgreSQL
	examples/data.sh postgres

##@ Prove

.PHONY: test
test: ## Run all tests
	tools/install-test-deps.sh
	CGO_ENABLED=0 go test -p $(PARALLEL) -timeout 25m ./...

# The detector lets each process sleep a second at its end, and tests start many.
# e2e and examples drive the built program, into which it does not see. docker and
# systemd spend their minutes in containers and units; what is concurrent in them is
# adapter/internal/service, which process drives too. migrate is one goroutine that waits
# for databases, and kopia stretches a password for each repository, which takes minutes
# under the detector. `make race RACELESS=none` runs all.
RACELESS ?= /e2e$$|/examples$$|/adapter/docker$$|/adapter/systemd$$|/adapter/migrate$$|/adapter/kopia$$
.PHONY: race
race: ## Run the tests of all packages under the race detector
	tools/install-test-deps.sh race
	GORACE=atexit_sleep_ms=0 CGO_ENABLED=1 go test -race -p $(PARALLEL) -timeout 25m $$(go list ./... | grep -vE '$(RACELESS)')

.PHONY: lint
lint: $(LINT) ## Check style, layers and formatting
	tools/check-layers.sh $(LINT)
	$(LINT) run ./...
	$(LINT) fmt --diff

.PHONY: fmt
fmt: $(LINT) ## Format the code
	$(LINT) fmt

.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME each (10s)
	tools/fuzz.sh $(FUZZTIME)

.PHONY: soak
soak: ## Simulate, then kill at random and in the middle of switches, SOAKTIME each (10m), then at every boundary and touch
	RIPCORD_SOAK=$(SOAKTIME) CGO_ENABLED=0 go test -count=1 -timeout 24h -run '^TestSoak$$' -v ./sim
	RIPCORD_SOAK=$(SOAKTIME) CGO_ENABLED=0 go test -count=1 -timeout 24h -run '^TestSoak$$' -v ./e2e
	RIPCORD_SOAK=$(SOAKTIME) CGO_ENABLED=0 go test -count=1 -timeout 24h -run '^TestKilledMidSwitch$$' -v ./e2e
	RIPCORD_SOAK=$(SOAKTIME) CGO_ENABLED=0 go test -count=1 -timeout 24h -run '^TestKilledAtEveryBoundary$$' -v ./e2e
	RIPCORD_SOAK=$(SOAKTIME) CGO_ENABLED=0 go test -count=1 -timeout 24h -run Conformance -p 1 ./adapter/docker ./adapter/systemd

.PHONY: bench
bench: build ## Measure speed and memory, as ratios to this machine, and decisions (45 minutes, 30 of them bench/canary)
	tools/install-test-deps.sh bench
	figures=$$(mktemp); trap 'rm -f "$$figures"' EXIT; \
	export RIPCORD_BENCH_FIGURES=$$figures CGO_ENABLED=0 PATH="$$PATH:/usr/sbin"; \
	for bench in engine release shim proxy haproxy nginx ssh analysis canary table; do \
	  echo "== bench/$$bench"; \
	  go run ./bench/$$bench; \
	done

##@ House

$(LINT): tools/go.mod tools/go.sum
	@echo "building the linter (a few minutes, once)"
	CGO_ENABLED=0 go -C tools build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: clean
clean: ## Remove what make built
	rm -rf bin dist

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	  /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
