package sqlite

import (
	"errors"
	"testing"

	"heyrelay/internal/spool"
)

// Ping fails for the reasons for which Accept would.
func TestPing(t *testing.T) {
	free := int64(1000)
	s := openSpool(t, Options{Limits: leave(500), Free: func() (int64, error) { return free, nil }})
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	set(t, s, "query_only = ON")
	if err := s.Ping(t.Context()); !errors.Is(err, spool.ErrReadOnly) {
		t.Errorf("error %v, want ErrReadOnly", err)
	}
	if _, err := s.conn.ExecContext(t.Context(), "PRAGMA query_only = OFF"); err != nil {
		t.Fatal(err)
	}
	damage := error(spool.ErrCorrupt)
	s.damage.Store(&damage)
	if err := s.Ping(t.Context()); !errors.Is(err, spool.ErrCorrupt) {
		t.Errorf("error %v, want ErrCorrupt", err)
	}
	low := openSpool(t, Options{Limits: leave(5000), Free: func() (int64, error) { return free, nil }})
	if err := low.Ping(t.Context()); !errors.Is(err, spool.ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
}

// Ping writes to the file, so that it notices a disk that only reads.
func TestPingWrites(t *testing.T) {
	s := openSpool(t, Options{})
	version := func() (n int) {
		if err := s.Reader.db.QueryRowContext(t.Context(), "PRAGMA data_version").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := version()
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if version() == before {
		t.Error("nothing was written")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
