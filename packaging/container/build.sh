#!/bin/sh
# Builds the container images from dist/, after make dist, and writes each to dist/ as an
# archive for docker load and podman load. It needs buildah and no daemon. The same commit
# gives the same layer; buildah writes names of its own into the configuration.
set -eu
cd "$(dirname "$0")/../.."
revision=$(git rev-parse HEAD)
version=$(git describe --tags --always)
for arch in amd64 arm64; do
	archive=dist/heyrelay-image-$arch.tar
	echo "build $archive"
	buildah bud --quiet --format docker --platform linux/$arch --tag heyrelay-$arch \
		--build-arg VERSION="$version" --build-arg REVISION="$revision" \
		--timestamp "$(git log -1 --format=%ct)" \
		--file packaging/container/Dockerfile dist >/dev/null
	rm -f "$archive"
	buildah push --quiet heyrelay-$arch "docker-archive:$archive:heyrelay:latest"
done
