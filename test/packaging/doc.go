// Package packaging tests what packaging/ has for systemd and containers, with the tools of those who run it:
// systemd's own, buildah and podman.
package packaging
