//go:build !unix

package sqlite

import "io/fs"

// linkCount returns 1: this system does not say with a file's information how many
// names it has.
func linkCount(fs.FileInfo) uint64 { return 1 }

// syncFolder does nothing: this system has no way to sync a directory.
func syncFolder(string) error { return nil }
