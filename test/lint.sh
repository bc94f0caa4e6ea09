#!/bin/sh
# golangci-lint as .golangci.yml configures it, and govulncheck, both in the versions of .ci/tools.mod.
# govulncheck needs its database: where that cannot be fetched, it is skipped and the output mentions it.
set -eu
tool() { go tool -modfile=.ci/tools.mod "$@"; }

tool golangci-lint run ./...
if out=$(tool govulncheck ./... 2>&1); then
	echo "govulncheck: no vulnerabilities found"
elif echo "$out" | grep -q 'Vulnerability #'; then
	echo "$out" >&2
	exit 1
else
	echo "govulncheck: skipped, its database cannot be fetched"
fi
