# Vigil: `make up` and `make test` are all a new machine needs; `make help` lists the rest.
SHELL       := /bin/bash
GO          ?= go
CACHE       := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vigil
VIGIL_DATA  ?= $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/vigil
UI          := server/ui
GO_MIN      := 1.26.8
NODE_MIN    := 20.19
export CGO_ENABLED ?= 0
export VIGIL_DATA
# Tests that match one pattern: make test RUN=TestProve
RUN         ?=
TESTFLAGS   ?=

.DEFAULT_GOAL := help
.PHONY: help up demo build engine ui test ui-test e2e lint race integration ci bench fmt clean tools fuzz vulncheck

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: build engine ## build what is missing, start Vigil and print its URL
	@exec bin/vigil up $(ARGS)

demo: build engine ## start Vigil and load a written attack, so that alerts are on screen
	@exec bin/vigil up --demo $(ARGS)

build: tools ui ## build bin/vigil with the UI inside
	@$(GO) build -ldflags='-s -w' -o bin/vigil ./cmd/vigil

tools: ## check that Go and Node are new enough, and say what to install
	@.ci/check-tools $(GO_MIN) $(NODE_MIN)

engine: ## fetch the embedded ClickHouse library (npm, 178 MB, once)
	@.ci/fetch-engine

ui: $(UI)/dist/.stamp ## build the web UI (only when its sources changed)

UI_SOURCES := $(shell find $(UI)/src $(UI)/public -type f 2>/dev/null) $(wildcard $(UI)/*.json $(UI)/*.ts $(UI)/index.html)

$(UI)/node_modules/.stamp: $(UI)/package-lock.json
	@echo "ui: npm ci"
	@cd $(UI) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(UI)/dist/.stamp: $(UI)/node_modules/.stamp $(UI_SOURCES)
	@echo "ui: build"
	@rm -rf $(UI)/dist/assets && cd $(UI) && npm run --silent build
	@touch $(UI)/dist/.gitkeep $@

test: build engine ## run every test that needs no container and no system package
	$(GO) test -timeout 20m $(if $(RUN),-run '$(RUN)') $(TESTFLAGS) ./...
	@$(MAKE) --no-print-directory ui-test

ui-test: $(UI)/node_modules/.stamp ## check types and formatting of the UI, and unit-test it
	@cd $(UI) && npm run --silent typecheck && npm run --silent format:check && npm test --silent

e2e: build engine ## drive the UI of a real Vigil in Chromium; screenshots go to artifacts/screens
	@.ci/e2e

lint: ## gofmt, vet, go fix, staticcheck, workflowcheck, deadcode
	@.ci/lint

race: ## the race detector, for the packages where goroutines meet
	CGO_ENABLED=1 $(GO) test -race ./internal/live/... ./internal/pipeline/... ./internal/enrich/... ./rules ./rules/correlate ./internal/alert/... ./internal/audit/... ./server/...

integration: build engine ## end-to-end tests against containers (needs a Docker daemon)
	@.ci/fetch-temporal >/dev/null
	TESTCONTAINERS_RYUK_DISABLED=true $(if $(wildcard /.dockerenv),TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1) $(GO) test -tags integration -count=1 -timeout 25m $(if $(RUN),-run '$(RUN)') ./integration

bench: build engine ## benchmarks of the hot path, and the end-to-end figures
	$(GO) test -run '^$$' -bench . -benchmem ./internal/parser ./internal/source ./internal/store ./internal/pipeline ./internal/intel ./internal/ml ./rules ./internal/expr
	@echo "end to end: bin/vigil bench --help"

fuzz: ## fuzz every parser for FUZZTIME (default 30s) each
	@.ci/fuzz $(or $(FUZZTIME),30s)

ci: ## everything .ci/run runs after it has installed what it needs
	@.ci/steps

fmt: ## format and modernise the Go code
	gofmt -w $$(git ls-files '*.go') && $(GO) fix ./...

vulncheck: ## known vulnerabilities in our modules (needs the internet)
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

clean: ## remove what was built (not the data, not the caches)
	rm -rf bin artifacts $(UI)/dist/* $(UI)/node_modules && touch $(UI)/dist/.gitkeep
