package sqlite

import (
	"database/sql"
	"errors"
	"time"

	driver "modernc.org/sqlite"
)

// checkpointer moves the log into the spool's file on a connection of its own, so that
// no client waits for it in its commit.
type checkpointer struct {
	db      *sql.DB
	dirty   chan struct{} // something was committed
	restart chan struct{} // for the writer: the log is to begin anew
	done    chan struct{} // closed when run has returned

	at    int           // frames of the log from which they are moved
	pause time.Duration // between two looks at the log
}

const (
	checkpointAt    = 8000 // frames: 32 MB
	restartFactor   = 4    // of checkpointAt: a log that never rests grows to 128 MB
	checkpointPause = 100 * time.Millisecond
)

// newCheckpointer opens the connection for a spool's checkpoints. at is 0 for the
// default.
func newCheckpointer(path string, files identity, at int) (*checkpointer, error) {
	db, err := openBeside(files, dsn(path, nil))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, _ = driver.Fdatasync(true)                               // a system without it syncs the times of files, too
	if _, err := db.Exec("PRAGMA schema_version"); err != nil { // opens the log, while it is surely ours
		return nil, errors.Join(classify(err), db.Close())
	}
	c := &checkpointer{
		db:      db,
		dirty:   make(chan struct{}, 1),
		restart: make(chan struct{}, 1),
		done:    make(chan struct{}),
		at:      checkpointAt,
		pause:   checkpointPause,
	}
	if at > 0 {
		c.at = at
		c.pause = time.Millisecond
	}
	return c, nil
}

// committed says that the log has grown. It never blocks.
func (c *checkpointer) committed() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// run checkpoints until stop is closed.
func (c *checkpointer) run(stop <-chan struct{}) {
	defer close(c.done)
	pause := time.NewTicker(c.pause)
	defer pause.Stop()
	for {
		select {
		case <-stop:
			return
		case <-c.dirty:
		}
		c.checkpoint()
		select {
		case <-stop:
			return
		case <-pause.C:
		}
	}
}

// checkpoint moves the log if it is long enough. PASSIVE moves what it can without
// disturbing anybody; while commits go on that is never all, so that the log grows. Then
// the writer moves the rest, which is little by then, and begins the log anew. What fails
// is tried again after the next commit; SQLite reports a damaged file to its writer, too.
func (c *checkpointer) checkpoint() {
	frames, moved, err := c.pragma("NOOP")
	if err != nil || frames-moved < c.at {
		return
	}
	frames, _, err = c.pragma("PASSIVE")
	if err != nil || frames < c.at*restartFactor {
		return
	}
	select {
	case c.restart <- struct{}{}:
	default:
	}
}

// pragma runs one checkpoint and returns how many frames the log has, and how many of
// them were moved.
func (c *checkpointer) pragma(mode string) (frames, moved int, err error) {
	var busy int
	err = c.db.QueryRow("PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &moved)
	return frames, moved, classify(err)
}
