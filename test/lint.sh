#!/bin/sh
# gofmt, go vet, staticcheck and govulncheck. The last needs its data from
# outside: where that cannot be had, it says so and goes on.
set -eu
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
	echo "gofmt wants: $unformatted" >&2
	exit 1
fi
go vet ./...
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
if out=$(go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./... 2>&1); then
	echo "govulncheck: nothing found"
elif echo "$out" | grep -q 'Vulnerability #'; then
	echo "$out" >&2
	exit 1
else
	echo "govulncheck: skipped, its data cannot be had here"
fi
