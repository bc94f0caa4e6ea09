// Package disk does what systems do differently with files, folders and their free space.
package disk

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// Narrow takes the access of group and others from a file or a folder. holds says what is in it, and warn, unless it
// is nil, gets a text about a change. Only what its owner can do is tried: Kubernetes, for one, widens every file of
// a volume at each mount (fsGroup). On Windows it does nothing: no mode shows its access lists.
func Narrow(path string, info fs.FileInfo, holds string, warn func(string)) error {
	mode := info.Mode().Perm()
	if mode&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	own := mode & 0o700
	if err := os.Chmod(path, own); err != nil {
		return fmt.Errorf("other users can access %s (mode %04o), which holds %s, and its mode cannot be changed: "+
			"chmod %o it as its owner: %w", path, mode, holds, own, err)
	}
	if warn != nil {
		warn(fmt.Sprintf("changed the mode of %s from %04o to %04o: it holds %s, and other users had access",
			path, mode, own, holds))
	}
	return nil
}
