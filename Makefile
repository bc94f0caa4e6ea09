# make check sets up what the tests need and runs them all. The other targets are parts of it, or more of it.

PACKAGES := ./...
# Tests of these packages measure time and memory, which the race detector multiplies: they run without it.
MEASURED := ./mimeconv
GO ?= go

# The race detector watches the Go that people wrote. SQLite and its C library, translated to Go by machine, do
# their own locking: watching them finds nothing, and makes every test with a spool several times slower.
RACE := -race \
	-gcflags=modernc.org/sqlite/lib=-race=false \
	-gcflags=modernc.org/libc=-race=false \
	-gcflags=modernc.org/memory=-race=false

.PHONY: check deps test soak bombs long sabotage lint cross bench benchmarks demo dist dist-check image chart

check: deps test

# Installs the programs that the tests talk to. Starts no service.
deps:
	sh test/deps.sh

# Many tests wait for time or for the disk: more packages at once than processors.
test:
	CGO_ENABLED=0 $(GO) test -trimpath -count=1 -timeout=5m $(MEASURED)
	$(GO) test $(RACE) -p=3 -count=1 -timeout=5m $(PACKAGES)

# Kills, faults, hostile clients and queue commands, all at once, under a memory limit.
LASTING ?= 1h
soak:
	$(GO) test -count=1 -timeout=0 -v ./test/soak -args -lasting $(LASTING)

# Forty messages that cost more than they weigh, alone and eight at once: a table of memory and delay.
bombs:
	$(GO) test -count=1 -timeout=0 -v ./test/bombs -args -all

# The long forms of the random and fault tests: about an hour.
long:
	$(GO) test $(RACE) -count=1 -timeout=60m ./test/chaos -args -messages 10000 -lanes 500 -backlog 10000
	$(GO) test $(RACE) -count=1 -timeout=60m ./test/crash -args -kills 210 -messages 5000
	$(GO) test $(RACE) -count=1 -timeout=60m ./internal/spool/sqlite -run TestSuite/Random -args -ops 100000
	$(GO) test $(RACE) -count=1 -timeout=60m ./smtpd -run TestAbuse -args -abuse
	$(GO) test -count=1 -timeout=60m ./mimeconv -run TestSecondReaderGenerated -args -generated 10000

# Breaks each promise on purpose and sees that its test fails.
sabotage:
	$(GO) run ./test/sabotage

lint:
	sh test/lint.sh

# Builds for every system that is supported, and vets the tests of the one that differs most.
cross:
	for target in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do \
		echo "build $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -trimpath -o /dev/null ./cmd/heyrelay || exit 1; \
	done
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 $(GO) vet -trimpath ./...

# heyrelay, Postfix and others under the same loads; it writes the table of docs/performance.md. As root.
bench:
	$(GO) run ./test/load compare --write docs/performance.md $(if $(BEFORE),--before $(BEFORE)) $(if $(LARGE),--large $(LARGE))

benchmarks:
	$(GO) test -run='^$$' -bench=. -benchmem ./...

demo:
	$(GO) run ./cmd/heyrelay demo

# Binaries, archives, packages, SBOMs, checksums and the context of the container image, in dist/.
dist:
	sh packaging/dist.sh

# What CI has no time for: everything built twice without a cache, and the package's life in a fresh Debian (as root).
dist-check:
	$(GO) test -count=1 -timeout=120m -v ./test/packaging -args -cold -root /var/tmp/heyrelay-bookworm

# The container images, in dist/. It needs buildah.
image: dist
	sh packaging/container/build.sh

# Lints and renders the Helm chart into test/chart/testdata, which the tests check. Builds Helm: some minutes.
chart:
	cd test/chart && $(GO) test -count=1 . -args -update
