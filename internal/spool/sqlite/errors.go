package sqlite

import (
	"errors"
	"fmt"
	"time"

	driver "modernc.org/sqlite"
	result "modernc.org/sqlite/lib"

	"heyrelay/internal/spool"
)

// classify turns SQLite's errors about the medium into those of package spool.
func classify(err error) error {
	var e *driver.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == result.SQLITE_IOERR_SHMSIZE { // the file for the log's index cannot grow
		return fmt.Errorf("%w: %w", spool.ErrFull, err)
	}
	switch e.Code() & 0xff { // the rest of the code is detail
	case result.SQLITE_FULL:
		return fmt.Errorf("%w: %w", spool.ErrFull, err)
	case result.SQLITE_IOERR, result.SQLITE_READONLY, result.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %w", spool.ErrReadOnly, err)
	case result.SQLITE_CORRUPT, result.SQLITE_NOTADB:
		return damaged(err)
	}
	return err
}

// isMedium reports whether SQLite failed, rather than what one row says: other rows may fail as well.
func isMedium(err error) bool {
	var e *driver.Error
	return errors.As(err, &e)
}

// damaged returns spool.ErrCorrupt because of err.
func damaged(err error) error {
	return fmt.Errorf(
		`%w: %w; what to do: stop heyrelay, copy the spool away, and see "A damaged spool" in docs/durability.md`,
		spool.ErrCorrupt, err)
}

// stamp is a time as the schema stores it.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// moment is a stored time.
func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
