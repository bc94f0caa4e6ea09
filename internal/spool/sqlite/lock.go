package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"heyrelay/internal/spool"
)

// whoRuns names the user that needs access: in a container, one without a name.
func whoRuns() string {
	if uid := os.Getuid(); uid >= 0 {
		return fmt.Sprintf("user %d, the current user", uid)
	}
	return "the current user" // Windows
}

// lockFile takes the lock of the spool at path, which the kernel releases when the
// process ends in whatever way. The file holds the process id, for people, and is
// never removed: another process could remove one that a third has just locked.
func lockFile(path string) (*flock.Flock, error) {
	name := path + ".lock"
	lock := flock.New(name, flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o600))
	taken, err := lock.TryLock()
	switch {
	case errors.As(err, new(*fs.PathError)):
		return nil, fmt.Errorf("open spool %s: its directory and lock file must be writable for %s: %w", path, whoRuns(), err)
	case err != nil:
		return nil, fmt.Errorf("lock spool %s: %w", path, err)
	case !taken:
		return nil, fmt.Errorf("%w: %s is held by %s: stop that one, or give this one its own spool",
			spool.ErrInUse, path, holder(name))
	}
	if err := unreplaced(lock, name); err != nil {
		return nil, errors.Join(fmt.Errorf("lock spool %s: %w", path, err), lock.Close())
	}
	_ = os.WriteFile(name, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600) // Windows allows no write to a locked file
	return lock, nil
}

// unreplaced makes sure that the locked file still has its name, and no other: else
// another process could lock another file of that name.
func unreplaced(lock *flock.Flock, name string) error {
	locked, err := lock.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if !os.SameFile(locked, named) || linkCount(locked) > 1 {
		return fmt.Errorf("%s was replaced or is a link: remove it while heyrelay is not running", name)
	}
	return nil
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
