// Package operation tests what an operator does to a running heyrelay from outside:
// signals, changed files, health checks. It runs the real binary.
package operation
