# make prints this help; each target's line says what it is for.
.DEFAULT_GOAL := help
ARGS ?=
SEED ?= 1
SHIPMENTS ?= 60
DURATION ?= 60s
SCENARIOS ?= all
ODOO ?= standin
STORE ?= sqlite
FUZZTIME ?= 10m
.PHONY: help demo test test-odoo check record build chaos chaos-sabotage outage bench fuzz

help: ## this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## the whole system on this machine, in every situation; ARGS="--shipments N --seed S --exit --json FILE"
	@deploy/temporal.sh >/dev/null
	@go run ./starters/waybill-demo $(ARGS)

bench: ## the figures of docs/figures.md, the floor beside the product; ARGS="--only story,bridge --json FILE --postgres URL"
	@deploy/temporal.sh >/dev/null
	@go run ./starters/waybill-bench $(ARGS)

test: ## all tests that need no Odoo: unit, property, stories, replay, a real Temporal server
	@deploy/temporal.sh >/dev/null
	go test -timeout 20m ./...

test-odoo: ## all that touches Odoo, against the real one at ODOO_URL, ODOO_DB, ODOO_LOGIN, ODOO_PASSWORD
	@test -n "$(ODOO_URL)" || { echo "set ODOO_URL, ODOO_DB, ODOO_LOGIN and ODOO_PASSWORD; deploy/odoo.sh up starts one"; exit 2; }
	go test -count=1 -v -timeout 15m ./activities/odoo/...
	@deploy/temporal.sh >/dev/null
	go test -count=1 -v -timeout 10m -run Killed ./starters/rig/script

check: ## what a change must pass: format, vet, workflow determinism, tests
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	go run go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0 ./workflows/...
	$(MAKE) test

fuzz: ## every fuzzer of the tree, one after another, each for FUZZTIME=10m, with the inputs each has tried; ARGS=PATTERN for some
	@FUZZTIME=$(FUZZTIME) deploy/fuzz.sh $(ARGS)

record: ## record new histories of the stories for replay; existing ones are never overwritten
	@deploy/temporal.sh >/dev/null
	@go test ./workflows/shipment ./workflows/dispute ./workflows/unmatched -run TestRecord -record -count=1

build: ## the binaries, into .bin/
	go build -trimpath -o .bin/ ./workers/waybill-worker ./workers/waybill-admin ./starters/waybill-bridge ./starters/waybill

chaos: ## fail everything that can fail, then check every invoice: SEED=1 SHIPMENTS=60 DURATION=60s SCENARIOS=all ODOO=standin|real STORE=sqlite|postgres
	@deploy/temporal.sh >/dev/null
	@mkdir -p .bin && go build -o .bin/waybill-chaos ./starters/waybill-chaos
	@$(if $(filter real,$(ODOO)),,env -u ODOO_URL) $(if $(filter postgres,$(STORE)),env POSTGRES_SCRIPT=deploy/postgres.sh) .bin/waybill-chaos --seed $(SEED) --shipments $(SHIPMENTS) --duration $(DURATION) --scenarios $(SCENARIOS) \
		--seeds starters/waybill-chaos/testdata/seeds.txt $(if $(filter postgres,$(STORE)),--store "$$(deploy/postgres.sh up)") $(ARGS)

outage: ## the billing engine is down for ten minutes: nothing is tried for nothing, and all goes on at once; ARGS="--span 3m --hang"
	@deploy/temporal.sh >/dev/null
	@env -u ODOO_URL go run ./starters/waybill-chaos outage $(ARGS)

chaos-sabotage: ## build Waybill with one thing wrong at a time; the faults must find each
	@deploy/temporal.sh >/dev/null
	@env -u ODOO_URL go run ./starters/waybill-chaos sabotage $(ARGS)
