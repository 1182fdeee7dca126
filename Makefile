# ovsmesh. "make" builds; "make demo" and "make test" work on a fresh Debian 12
# with Go and make, as root: they install the Debian packages that they need.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.stamped=$(VERSION)
COMMANDS := $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))
FUZZTIME ?= 10s

# Packages run two at a time: they start real switches, and the time limits of
# Open vSwitch itself want some CPU left.
TESTFLAGS ?= -race -p 2 -timeout 30m

.PHONY: all
all: $(COMMANDS:%=bin/%)

# The go command knows best what is out of date.
.PHONY: $(COMMANDS:%=bin/%)
$(COMMANDS:%=bin/%):
	go build -ldflags '$(LDFLAGS)' -o $@ ./cmd/$(@F)

# It is copied to hypervisors, whatever C library they have.
bin/ovstunnel: export CGO_ENABLED = 0

.PHONY: deps
deps:
	@.ci/deps

.PHONY: lint
lint:
	@unformatted=$$(gofmt -l .); \
	  if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:" $$unformatted >&2; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

.PHONY: test
test: deps lint
	go test $(TESTFLAGS) ./...

# Every fuzz target of every package, each for FUZZTIME.
.PHONY: fuzz
fuzz:
	@set -e; for package in $$(go list ./...); do \
	  listed=$$(go test -list '^Fuzz' $$package); \
	  for target in $$(echo "$$listed" | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

.PHONY: demo
demo: deps all
	bin/ovsmesh-lab demo

# Every fault once, then random ones for DURATION; SEED=N repeats those of a run.
DURATION ?= 10m
.PHONY: chaos
chaos: deps all
	bin/ovsmesh-lab chaos --duration $(DURATION) $(if $(SEED),--seed $(SEED))

.PHONY: bench bench-quick
bench: deps all
	bin/ovsmesh-lab bench
bench-quick: deps all
	bin/ovsmesh-lab bench --quick

.PHONY: clean
clean:
	rm -rf bin
	go clean -testcache
