// Package packaging tests what packaging/ has for systemd, with systemd's own tools.
package packaging
