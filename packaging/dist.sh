#!/bin/sh
# Builds what is released into dist/: static binaries, and the context of the container
# image. The same commit gives the same bytes, whatever machine builds it.
set -eu
cd "$(dirname "$0")/.."
umask 022
rm -rf dist
mkdir -p -m 700 dist/spool/heyrelay
for target in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do
	os=${target%/*}
	arch=${target#*/}
	name=dist/heyrelay-$os-$arch
	[ "$os" = windows ] && name=$name.exe
	echo "build $name"
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch \
		go build -trimpath -buildvcs=true -ldflags='-s -w -buildid=' -o "$name" ./cmd/heyrelay
done
cp /etc/ssl/certs/ca-certificates.crt dist/
cp packaging/systemd/*.service packaging/systemd/*.socket dist/
(cd dist && sha256sum heyrelay-* >SHA256SUMS)
