package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"heyrelay/internal/spool"
)

func TestOperatorWithoutSpool(t *testing.T) {
	if _, err := OpenOperator(filepath.Join(t.TempDir(), "spool.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

// TestBusyTimeout has every connection wait for another's transaction, which a slow
// disk can make long, rather than fail.
func TestBusyTimeout(t *testing.T) {
	s := openSpool(t, Options{})
	o, err := OpenOperator(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for name, conn := range map[string]queries{
		"the writer":  s.conn,
		"a reader":    s.Reader.db,
		"an operator": o.conn,
		"its reader":  o.Reader.db,
	} {
		var milliseconds int
		if err := conn.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&milliseconds); err != nil {
			t.Fatal(err)
		}
		if milliseconds != 10_000 {
			t.Errorf("%s waits %d ms for another transaction, want 10,000", name, milliseconds)
		}
	}
}

// TestOperatorBesideServer has a person drop and retry while mail comes in: each
// waits for the other, and nothing is lost.
func TestOperatorBesideServer(t *testing.T) {
	s := openSpool(t, Options{})
	o, err := OpenOperator(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	const n = 300
	var wg sync.WaitGroup
	wg.Go(func() { fill(t, s, n) })
	for range 20 {
		if _, err := o.Drop(t.Context(), epoch, spool.Filter{}); err != nil {
			t.Error(err)
		}
		if _, err := o.Retry(t.Context(), epoch, spool.Filter{}, spool.RetryOptions{}); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	wantCount(t, s, "request", n)
	wantCount(t, s, "request WHERE state = 8", 0)
	wantSound(t, s)
}

// TestOperatorKeepsTerms has an operator change a spool with more requests than get their terms at once: how far
// they are recorded stays as it was.
func TestOperatorKeepsTerms(t *testing.T) {
	s := openSpool(t, Options{termsAt: 1})
	fill(t, s, termRows+10)
	o, err := OpenOperator(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	before, err := readTermed(t.Context(), s.Reader.db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Hold(t.Context(), epoch, spool.Filter{LocalID: mail(1).Requests[0].LocalID}, ""); err != nil {
		t.Fatal(err)
	}
	if after, err := readTermed(t.Context(), s.Reader.db); after != before || err != nil {
		t.Errorf("terms are recorded as %+v (%v), before as %+v", after, err, before)
	}
}

// TestManyQueueIDs names more messages than are looked for at once: each is found once, the oldest first.
func TestManyQueueIDs(t *testing.T) {
	s := openSpool(t, Options{})
	for n := range int64(3) {
		if _, err := s.Accept(t.Context(), mail(n)); err != nil {
			t.Fatal(err)
		}
	}
	ids := slices.Repeat([]string{"Q2", "Q0"}, examined)
	n, err := s.Count(t.Context(), spool.Filter{QueueIDs: ids})
	found, findErr := s.matchingNumbers(t.Context(), spool.Filter{QueueIDs: ids})
	if n != 2 || !slices.Equal(found, []int64{1, 3}) || err != nil || findErr != nil {
		t.Errorf("found %v, and %d of them (%v, %v)", found, n, err, findErr)
	}
	_, err = s.Count(t.Context(), spool.Filter{QueueIDs: append(ids, "Q9")})
	if !errors.Is(err, spool.ErrNotFound) {
		t.Errorf("with one that there is not: %v", err)
	}
}

// TestOperatorInSteps has a verb change more requests than one search finds: each once, in steps that it reports,
// and after an error the steps before it are done.
func TestOperatorInSteps(t *testing.T) {
	const n = glanced + step + 1
	s := openSpool(t, Options{})
	fill(t, s, n)
	o, err := OpenOperator(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(int, int) { cancel() }
	m, err := o.Hold(ctx, epoch, spool.Filter{}, "")
	if m.Requests != step || !errors.Is(err, context.Canceled) {
		t.Errorf("it was interrupted after %d (%v), want %d", m.Requests, err, step)
	}
	last, steps := 0, 0
	o.Progress = func(done, found int) {
		if done <= last || done > found || found != n {
			t.Errorf("%d of %d are done after %d, want %d in all", done, found, last, n)
		}
		last = done
		steps++
	}
	if m, err := o.Hold(t.Context(), epoch, spool.Filter{}, ""); m.Requests != n || err != nil {
		t.Errorf("%d are held (%v), want %d", m.Requests, err, n)
	}
	if last != n || steps != n/step+1 {
		t.Errorf("%d were done in %d steps, want %d in %d", last, steps, n, n/step+1)
	}
	wantCount(t, s, "request WHERE hold <> ''", n)
}
