# make check sets up what the tests want and runs them all; everything else is a part of it.

PACKAGES := ./...
GO ?= go

.PHONY: check deps test lint sabotage bench demo

check: deps test

# The programs that the tests talk to. Starts no service.
deps:
	sh test/deps.sh

test:
	$(GO) test -race -count=1 -timeout=10m $(PACKAGES)

# Breaks each promise on purpose and sees that its test fails.
sabotage:
	$(GO) run ./test/sabotage

lint:
	sh test/lint.sh

bench:
	$(GO) test -run='^$$' -bench=. -benchmem $(PACKAGES)

demo:
	$(GO) run ./cmd/heyrelay demo
