package sqlite

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"heyrelay/internal/spool"
)

// lockFile takes the lock of the spool at path, which the kernel lets go when
// the process ends in whatever way. The file says whose it is, for people, and
// stays: who removed it could remove one that somebody else has just locked.
func lockFile(path string) (*os.File, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool %s: its folder and lock file must be writable for the user that runs this: %w", path, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: %s is held by %s: stop that one, or give this one a spool of its own", spool.ErrInUse, path, holder(name))
		return nil, errors.Join(err, f.Close())
	}
	if err == nil {
		err = unreplaced(f, name)
	}
	if err == nil {
		err = writePID(f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock spool %s: %w", path, err), f.Close())
	}
	return f, nil
}

// unreplaced makes sure that the locked file still has its name, and no other: else
// another process could lock another file of that name.
func unreplaced(f *os.File, name string) error {
	locked, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if !os.SameFile(locked, named) || linkCount(locked) > 1 {
		return fmt.Errorf("%s was replaced or is a link: remove it while no heyrelay runs", name)
	}
	return nil
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process that wrote the lock file.
func holder(name string) string {
	b, err := os.ReadFile(name)
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return "another process"
	}
	return "process " + pid
}
