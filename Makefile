# Everything a developer does with this tree; CI does the same through .ci/run.
# `make help` lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash

BENCH := bin/bench

.PHONY: bench bench-quick bench-profile bench-build

bench-build:
	@go build -o $(BENCH)/ ./bench/cmd/... ./cmd/turnout

bench: bench-build ## figures beside the Go floor, about 5 minutes
	@$(BENCH)/compare

bench-quick: bench-build ## one short round of the same
	@$(BENCH)/compare -rounds 1 -d 1500ms

bench-profile: bench-build ## profiles of every scenario, in bench/profiles
	@$(BENCH)/compare -profiles bench/profiles -d 5s
