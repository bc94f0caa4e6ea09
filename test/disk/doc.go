// Package disk has the disk under a relay fill up, become unwritable and give
// back something else than was written, and sees what the real binary then
// answers, logs and keeps.
package disk
