// Package packaging tests what packaging/ has for systemd, containers, deb and rpm, with the tools of those who run
// it.
package packaging
