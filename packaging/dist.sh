#!/bin/sh
# Builds what is released into dist/: static binaries, archives, packages, SBOMs, checksums,
# and the context of the container image. The same commit gives the same bytes, whatever
# machine builds it. Needs git and GNU tar.
#
# Usage: [OUT=DIRECTORY] packaging/dist.sh [OS/ARCH …]
set -eu
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC CGO_ENABLED=0
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
OUT=${OUT:-dist}
TREE=$(mktemp -d)
trap 'rm -rf "$TREE"' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export OUT TREE SOURCE_DATE_EPOCH

tool() { go tool -modfile=packaging/tools.mod "$@"; }
build() { # build OS ARCH FILE
	GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=true -ldflags='-s -w -buildid=' -o "$3" ./cmd/heyrelay
}

# What a package has beside the binary is made by one that runs here.
build "$(go env GOHOSTOS)" "$(go env GOHOSTARCH)" "$TREE/heyrelay"
VERSION=$("$TREE/heyrelay" version | sed 's/^heyrelay v*\([^ ]*\) .*/\1/; y/-/~/')
export VERSION
if [ "$VERSION" = "(devel)" ]; then
	echo "the build knows no commit: build in a clone of the repository (a worktree is none)" >&2
	exit 1
fi
mkdir "$TREE/man"
"$TREE/heyrelay" man "$TREE/man"
gzip -n9 "$TREE"/man/*
for shell in bash zsh fish; do
	"$TREE/heyrelay" completion "$shell" >"$TREE/$shell"
done
cat >"$TREE/changelog" <<CHANGES
heyrelay ($VERSION) unstable; urgency=medium

  * Commit $(git rev-parse HEAD).

 -- The heyrelay authors <heyrelay@packages.invalid>  $(date -R -d "@$SOURCE_DATE_EPOCH")
CHANGES
gzip -n9 "$TREE/changelog"

rm -rf "$OUT"
mkdir -p "$OUT/spool"
mkdir -m 700 "$OUT/spool/heyrelay"
cp /etc/ssl/certs/ca-certificates.crt "$OUT"
cp packaging/systemd/*.service packaging/systemd/*.socket "$OUT"
for target; do
	os=${target%/*}
	ARCH=${target#*/}
	export ARCH
	name=heyrelay-$os-$ARCH
	binary=$OUT/$name
	[ "$os" = windows ] && binary=$binary.exe
	echo "build $name"
	build "$os" "$ARCH" "$binary"
	tool cyclonedx-gomod bin -json -std -noserial -notimestamp -output "$OUT/$name.cdx.json" "$binary" 2>/dev/null

	mkdir "$TREE/$name"
	cp "$binary" "$TREE/$name/heyrelay${binary##*"$name"}"
	cp -R LICENSE README.md CHANGELOG.md config.example.yaml docs/heyrelay.schema.json "$TREE/man" "$TREE/$name"
	tar -C "$TREE" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
		-cf - "$name" | gzip -n9 >"$OUT/$name.tar.gz"

	[ "$os" = linux ] || continue
	for packager in deb rpm; do
		tool nfpm package -f packaging/nfpm.yaml -p "$packager" -t "$OUT" >/dev/null
	done
done
(cd "$OUT" && sha256sum heyrelay-*-* heyrelay_* >SHA256SUMS)
