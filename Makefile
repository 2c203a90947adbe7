# Everything that is done to this repository. CI runs the same: .ci/run is
# `make lint` and `make test`.

GO       ?= go
FUZZTIME ?= 10m
COUNT    ?= 20

.DEFAULT_GOAL := help
.PHONY: help build dist packages try test long bench bench-nats bench-quick bench-peers seedbugs lint fmt needs clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/ingestd
	$(GO) build -trimpath -o bin/ingestd ./cmd/ingestd

dist: ## build the archives of all targets into bin/dist; VERSION=v1.2.3 overrides the repository
	GO=$(GO) VERSION=$(VERSION) tools/dist.sh archives

packages: bin/tools/nfpm ## build the deb and the rpm of all targets into bin/dist
	GO=$(GO) VERSION=$(VERSION) tools/dist.sh packages

# It installs what it makes, and removes it again: as root, on Debian.
try: packages ## install the deb, run its unit's command, reload, drain, purge; the same as in the image
	deploy/try-deb.sh
	deploy/try-image.sh

test: needs ## run all tests, with the race detector; installs what they need
	$(GO) test -race -shuffle=on ./...

long: needs seedbugs ## run what takes hours: long tests, each fuzz test for FUZZTIME, the tests COUNT times
	$(MAKE) try
	INGEST_LONG=1 $(GO) test -p 1 -shuffle=on -timeout=0 ./...
	GO=$(GO) tools/fuzz.sh $(FUZZTIME)
	$(GO) test -race -shuffle=on -count=$(COUNT) -timeout=0 ./...

bench: needs ## measure everything (9 minutes), and write it into docs/performance.md
	$(GO) run ./bench --json docs/performance.json --markdown docs/performance.md --svg docs/performance.svg

bench-nats: needs ## measure edges, NATS and writers (3 minutes), and write it into docs/scaling.md
	$(GO) run ./bench --nats --json docs/scaling.json --markdown docs/scaling.md

bench-quick: needs ## measure less, less exactly (3 minutes), and only print it
	$(GO) run ./bench --quick
	$(GO) run ./bench --nats --quick

# Bento is a module of its own, so that nothing of it gets into this one.
bench-peers: needs build ## measure ingestd beside Bento (3 minutes), and write it into bench/peers/README.md
	cd bench/peers/bento && $(GO) build -trimpath -o ../../../bin/peers/bento .
	$(GO) run ./bench/peers --markdown bench/peers/README.md

seedbugs: needs ## plant one bug after the other, and see that the tests find it
	GO=$(GO) tools/seedbugs.sh

lint: bin/tools/golangci-lint ## run every linter; a finding fails
	GO=$(GO) tools/lint.sh

fmt: bin/tools/golangci-lint ## format the code
	bin/tools/gofumpt -w $$(git ls-files --cached --others --exclude-standard '*.go')

needs: ## install what the tests need: a C compiler, MariaDB, a browser and more
	@tools/needs.sh

# The tools are pinned in a module of their own, so that this one stays small.
bin/tools/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -trimpath -o ../bin/tools/ tool
	@touch bin/tools/*

bin/tools/nfpm: tools/nfpm/go.mod tools/nfpm/go.sum
	cd tools/nfpm && $(GO) build -trimpath -o ../../bin/tools/ tool
	@touch $@

clean: ## remove what was built
	rm -rf bin
