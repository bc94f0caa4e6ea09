package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"heyrelay/internal/disk"
)

// backupID marks a backup: "heyB". The first Store that opens it takes it over.
const backupID = 0x68657942

// backupReason is the reason of the two attempts that a backup adds to each open request:
// one as of the backup, one as of the restoration. They call nothing. Between them, the
// spool that was backed up may have sent the request.
const backupReason = "restored from a backup: it may have been sent since"

const (
	sqlBackupAttempt = `
INSERT INTO attempt (request, n, call, began, ended, unknown, reason)
SELECT id, attempts + 1, 0, ?, ?, 1, ? FROM request WHERE ` + isOpen

	// What was tried before the backup does not let it expire.
	sqlMaybeSent = `
UPDATE request
   SET attempts = attempts + 1, trial_attempt = attempts + 2, unknown = 1,
       refused_attempt = 0, refused_at = 0, conversation_alive = 0
 WHERE ` + isOpen
)

// Backup writes a copy of the spool at from, as it is now, to a file that does not exist yet,
// also while another process serves the spool. In the copy, the outcome of each open request is
// unknown, so that a restored copy does not send twice what the spool sends from now on. The copy
// is durable when Backup returns nil. Where there is no spool, the error is fs.ErrNotExist.
func Backup(ctx context.Context, from, to string, now time.Time) error {
	return backUp(ctx, from, to, func(conn *sql.Conn) error { return markBackup(ctx, conn, now) })
}

// backUp is Backup. The copy has its name when mark has marked it: one that was not, as its process was killed, is
// taken for the spool itself, which sends all that is pending.
func backUp(ctx context.Context, from, to string, mark func(*sql.Conn) error) error {
	r, err := OpenReader(from)
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	to, err = filepath.Abs(to)
	if err != nil {
		return fmt.Errorf("back up the spool: %w", err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("back up the spool: %w; name a file that does not exist", cmp.Or(err, existing(to)))
	}
	part := to + ".part"
	err = createFile(part)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("back up the spool: %w; remove what an interrupted backup left", err)
	case err != nil:
		return fmt.Errorf("back up the spool: %w; name a file in a directory that this user can write to", err)
	}
	err = change(ctx, from, func(conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "VACUUM INTO ?", part)
		return classify(err)
	})
	if err == nil {
		err = change(ctx, part, mark)
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("back up the spool to %s: %w", to, err), os.Remove(part))
	}
	return disk.SyncFolder(filepath.Dir(to))
}

// existing is the error for a file that is to be made, and is there.
func existing(path string) error { return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist} }

// change runs do on a connection to the file at path.
func change(ctx context.Context, path string, do func(*sql.Conn) error) error {
	path, err := filepath.Abs(path) // a URI's path begins at the root
	if err != nil {
		return err
	}
	db, conn, err := connect(ctx, path, nil, "synchronous = FULL")
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(), db.Close())
}

// markBackup makes a backup of a copy.
func markBackup(ctx context.Context, conn *sql.Conn, now time.Time) error {
	lost, err := activeIn(ctx, conn)
	if err != nil {
		return err
	}
	return alone(ctx, conn, func(w *writer) error {
		if err := w.lose(lost); err != nil {
			return err
		}
		return w.maybeSent(now, backupID)
	})
}

// takeOver makes a spool of a backup, and reports whether it is one.
func takeOver(ctx context.Context, conn *sql.Conn, now time.Time) (bool, error) {
	var id int
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return false, classify(err)
	}
	if id != backupID {
		return false, nil
	}
	return true, alone(ctx, conn, func(w *writer) error {
		if _, err := w.exec(sqlUnshare); err != nil { // the objects may have been deleted since
			return err
		}
		return w.maybeSent(now, applicationID)
	})
}

// alone does one thing on a connection, in a transaction of its own.
func alone(ctx context.Context, conn *sql.Conn, do func(*writer) error) error {
	w := newWriter(conn)
	defer w.close()
	return w.alone(ctx, do)
}

// maybeSent records that every open request may have been sent.
func (w *writer) maybeSent(now time.Time, id int) error {
	if _, err := w.exec(sqlBackupAttempt, stamp(now), stamp(now), backupReason); err != nil {
		return err
	}
	if _, err := w.exec(sqlMaybeSent); err != nil {
		return err
	}
	_, err := w.exec(fmt.Sprintf("PRAGMA application_id = %d", id))
	return err
}
