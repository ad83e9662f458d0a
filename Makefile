# Everything a developer does with this tree. CI runs `make test` through .ci/run; the
# stages themselves are in scripts/stages.

.DEFAULT_GOAL := help
.PHONY: help test lint race arch fuzz build builds demo drill prices sdk agents bench bench-quick bench-profile bench-usage bench-build clients clients-long clean

BENCH := bin/bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## everything that CI runs, with a time budget for each stage
	@scripts/test

lint: ## golangci-lint with .golangci.yml, built from the module in tools/
	@scripts/test lint

race: ## all tests, shuffled, with the race detector
	@scripts/test race

arch: ## the import table and the other rules of the tree
	@scripts/test arch

fuzz: ## every fuzz target for a minute (FUZZTIME=5m for longer)
	@FUZZTIME=$${FUZZTIME:-1m} bash -c 'set -uo pipefail; work=$$(mktemp -d); trap "rm -rf $$work" EXIT; source scripts/stages; fuzz'

build: ## bin/turnout
	@CGO_ENABLED=0 go build -trimpath -o bin/turnout ./cmd/turnout

builds: ## build for every system that a release is for
	@scripts/test builds

demo: ## the gateway beside simulated providers, some of them failing
	@go run ./cmd/turnout demo

drill: ## every fault against a real gateway, with shortened clocks, about a minute
	@go run ./cmd/turnout drill

prices: ## write the catalogue of prices anew (UPDATE=x.y.z of the package; FORCE=1 in spite of the guard)
	@UPDATE='$(UPDATE)' FORCE='$(FORCE)' scripts/prices

sdk: ## the official SDKs before every kind of account (SDK='anthropic-js gemini' for a part)
	@scripts/test sdk

agents: ## the real coding agents before every kind of account, about 20 minutes (AGENTS='Claude Code' for a part)
	@test/agents/run $(if $(AGENTS),'$(AGENTS)')

bench: bench-build ## figures beside the Go floor, about 5 minutes
	@$(BENCH)/compare

bench-quick: bench-build ## one short round of the same, about 1 minute
	@$(BENCH)/compare -rounds 1 -d 1500ms

bench-profile: bench-build ## profiles of every scenario, in bench/profiles
	@$(BENCH)/compare -profiles bench/profiles -d 5s

bench-usage: ## a database of 10 million requests: bytes a request, and how long a console's questions take; about 15 minutes (ROWS=1000000 for fewer)
	@TURNOUT_BENCH_USAGE=$(or $(ROWS),10000000) TURNOUT_BENCH_USAGE_SIZES=1 TURNOUT_BENCH_USAGE_DIR='$(DIR)' go test ./internal/store -run '^TestScale$$' -count=1 -timeout 2h -v

bench-build:
	@go build -o $(BENCH)/ ./bench/cmd/... ./cmd/turnout

clients: ## the keep-alives with the real clients, from npm: about 2 minutes (CLIENTS='part of a row')
	@test/clients/run $(if $(CLIENTS),'$(CLIENTS)')

clients-long: ## the same with Claude Code's own watchdogs, about 14 minutes
	@test/clients/run long $(if $(CLIENTS),'$(CLIENTS)')

clean: ## remove what the other targets made
	@rm -rf bin bench/results bench/profiles test/clients/node_modules test/sdk/node/node_modules test/prices/node_modules test/agents/node_modules
