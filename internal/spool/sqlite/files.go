package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"heyrelay/internal/disk"
	"heyrelay/internal/spool"
)

// resolve returns the absolute path of a spool without symbolic links, so that every
// process that names it in whatever way meets the same lock file. The file itself may be
// missing.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if file, err := filepath.EvalSymlinks(path); err == nil {
		return file, nil
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path, nil // checkFolder explains it
	}
	return filepath.Join(folder, filepath.Base(path)), nil
}

// checkFolder explains the most common mistakes.
func checkFolder(path string) error {
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open spool %s: directory %s does not exist: create it for heyrelay's user with mode 0700",
			path, dir)
	case err != nil:
		return fmt.Errorf("open spool: %w", err)
	case !info.IsDir():
		return fmt.Errorf("open spool %s: %s is not a directory", path, dir)
	}
	return nil
}

// prepareFile creates an empty spool that only its owner can read, or makes sure that an
// existing one is such a file. It never opens an existing file: closing it would drop
// SQLite's own locks.
func prepareFile(path string, warn func(string)) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createFile(path)
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if n := linkCount(info); n > 1 {
		return fmt.Errorf(
			"the file has %d hard links: another process could serve it under another name; remove the other names", n)
	}
	return disk.Narrow(path, info, "mail", warn)
}

func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path)) // the name must survive a power cut, too
}

// identity remembers which files an open spool consists of. A name that stands for
// another file since, or for none, means that what is written now will not be found at
// the next start.
type identity struct {
	paths []string
	files []fs.FileInfo
}

// identify remembers the spool at path, its log, the log's index, without which other processes
// would not see the log, and its lock file as they are now.
func identify(path string) (identity, error) {
	var id identity
	for _, p := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		info, err := os.Stat(p)
		if err != nil {
			return identity{}, err
		}
		id.paths = append(id.paths, p)
		id.files = append(id.files, info)
	}
	return id, nil
}

// check returns ErrReplaced if a file was removed, replaced, or given a second name.
func (id identity) check() error {
	for i, p := range id.paths {
		info, err := os.Stat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s was removed; stop heyrelay, put the file back, and start it again", spool.ErrReplaced, p)
		case err != nil:
			return err
		case !os.SameFile(info, id.files[i]):
			return fmt.Errorf("%w: %s is another file now; stop heyrelay, put the original back, and start it again",
				spool.ErrReplaced, p)
		case linkCount(info) > 1:
			return fmt.Errorf("%w: %s has a second name (hard link); remove it", spool.ErrReplaced, p)
		}
	}
	return nil
}
