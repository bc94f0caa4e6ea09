package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// slowDisk syncs a log each time that a test sends what comes of it.
type slowDisk struct {
	syncs chan error // what comes of each
	began int        // syncs
}

func (d *slowDisk) sync(*os.File) error {
	d.began++
	return <-d.syncs
}

// openSlow opens a new spool on a slow disk, until the test ends.
func openSlow(t *testing.T) (*Store, *slowDisk) {
	t.Helper()
	d := &slowDisk{syncs: make(chan error)}
	return openSpool(t, Options{sync: d.sync, Now: func() time.Time { return epoch }}), d
}

// TestAnswerAfterSync has nobody answered, and nothing handed to the scheduler, before the disk has it,
// though other connections see it.
func TestAnswerAfterSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openSlow(t)
		claim := func() {
			if _, _, err := s.Claim(t.Context(), epoch, time.Minute, shop); err != nil {
				t.Error(err)
			}
		}
		go claim() // has room stand
		disk.syncs <- nil
		synctest.Wait()
		var answered bool
		go func() {
			_, err := s.Accept(t.Context(), short(1))
			answered = err == nil
		}()
		synctest.Wait()
		wantCount(t, s, "message", 1)
		if tasks, _ := s.Handed(); answered || len(tasks) > 0 {
			t.Errorf("before the disk has it: answered %v, handed %d", answered, len(tasks))
		}
		disk.syncs <- nil
		synctest.Wait()
		if tasks, _ := s.Handed(); !answered || len(tasks) != 1 {
			t.Errorf("when the disk has it: answered %v, handed %d", answered, len(tasks))
		}
	})
}

// TestNextBatchWaitsForTheDisk has many come while the disk is busy: they share the next sync.
func TestNextBatchWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openSlow(t)
		const many = 10
		answers := make(chan error, many)
		for n := range int64(many) {
			go func() {
				_, err := s.Accept(t.Context(), mail(n))
				answers <- err
			}()
			synctest.Wait()
		}
		wantCount(t, s, "message", 1)
		disk.syncs <- nil
		synctest.Wait()
		wantCount(t, s, "message", many)
		if len(answers) != 1 || disk.began != 2 {
			t.Errorf("%d were answered after %d syncs began, want 1 and 2", len(answers), disk.began)
		}
		disk.syncs <- nil
		synctest.Wait()
		if len(answers) != many {
			t.Errorf("%d were answered, want %d", len(answers), many)
		}
	})
}

// TestRoomOfWhatIsSynced has a claim count what was accepted and claimed just before, and is on its way to
// the disk.
func TestRoomOfWhatIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openSlow(t)
		two := shop
		two.Free = 2
		var claimed int
		claim := func() {
			tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, two)
			claimed = len(tasks)
			if err != nil {
				t.Error(err)
			}
		}
		accept := func(n int64, autoReplied bool) {
			m := short(n)
			m.AutoReplied = autoReplied // such a message waits for a claim
			if _, err := s.Accept(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		var all sync.WaitGroup
		begin := func(f func()) {
			all.Go(f)
			synctest.Wait()
		}
		begin(claim)
		disk.syncs <- nil
		synctest.Wait()
		begin(func() { accept(1, false) })
		begin(func() { accept(2, true) })
		begin(func() { accept(3, true) })
		begin(claim)
		disk.syncs <- nil
		disk.syncs <- nil
		all.Wait()
		if claimed != 1 {
			t.Errorf("claimed %d beside the one that is on its way, want 1", claimed)
		}
	})
}

// TestSyncFails has the disk fail once: neither that transaction nor any later one is acknowledged, though
// the disk works again, until the spool is opened anew. What reached the file all the same is repeated by
// its client, and not doubled.
func TestSyncFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	fail := true
	s, err := Open(t.Context(), path, Options{sync: func(*os.File) error {
		if fail {
			fail = false
			return syscall.EIO
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(3) {
		_, err := s.Accept(t.Context(), mail(n))
		if !errors.Is(err, spool.ErrReadOnly) || !errors.Is(err, syscall.EIO) {
			t.Errorf("message %d: error %v, want ErrReadOnly and EIO", n, err)
		}
	}
	select {
	case err := <-s.Failed():
		wantText(t, err, "input/output error")
	default:
		t.Error("Failed does not say that the store has failed")
	}
	if err := s.Ping(t.Context()); !errors.Is(err, spool.ErrReadOnly) {
		t.Errorf("ping: %v, want ErrReadOnly", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() == 0 {
		t.Errorf("the log was moved into the file, and part of it may be lost: %v, %v", log, err)
	}
	s = openFile(t, path, Options{})
	again, err := s.Accept(t.Context(), mail(0))
	if err != nil || !again.Duplicate {
		t.Errorf("sent again: %+v (%v), want a duplicate", again, err)
	}
	if next, err := s.Accept(t.Context(), mail(1)); err != nil || next.Duplicate {
		t.Errorf("the next: %+v (%v), want it accepted", next, err)
	}
	wantSound(t, s)
}

// TestOpenMovesTheLog has a process end with a log. The next one cannot know what of it is on the disk, so it has
// all of it written again.
func TestOpenMovesTheLog(t *testing.T) {
	copied := func(from string, suffixes ...string) (to string) {
		to = filepath.Join(t.TempDir(), "spool.db")
		for _, suffix := range suffixes {
			octets, err := os.ReadFile(from + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to+suffix, octets, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return to
	}
	s := openSpool(t, Options{})
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Fatal(err)
	}
	ended := copied(s.path, "", "-wal")
	openFile(t, ended, Options{})
	wantCount(t, openFile(t, copied(ended, ""), Options{}), "message", 1)
}

// TestCloseWaitsForTheDisk has what was committed answered before the spool is closed.
func TestCloseWaitsForTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, disk := openSlow(t)
		answer := context.Canceled
		var wg sync.WaitGroup
		wg.Go(func() { _, answer = s.Accept(t.Context(), mail(1)) })
		synctest.Wait()
		closed := false
		wg.Go(func() {
			_ = s.Close()
			closed = true
		})
		synctest.Wait()
		if closed {
			t.Error("it was closed while the disk worked")
		}
		disk.syncs <- nil
		wg.Wait()
		if answer != nil {
			t.Errorf("what was committed: %v", answer)
		}
	})
}

// TestCloseWaitsForAnswers has each Accept find the files in their places after its commit.
func TestCloseWaitsForAnswers(t *testing.T) {
	s := openSpool(t, Options{})
	s.answering.RLock() // as Accept does
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-closed:
		t.Error("it was closed before an answer")
	case <-time.After(100 * time.Millisecond):
	}
	s.answering.RUnlock()
	<-closed
}

// TestLogReplaced has the log be another file than the one that the spool was opened with.
func TestLogReplaced(t *testing.T) {
	s := openSpool(t, Options{})
	files := s.headroom.files
	if err := os.Rename(s.path+"-wal", s.path+"-wal.old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path+"-wal", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(s.path, files); !errors.Is(err, spool.ErrReplaced) {
		t.Errorf("error %v, want ErrReplaced", err)
	}
	if err := os.Rename(s.path+"-wal.old", s.path+"-wal"); err != nil {
		t.Fatal(err)
	}
}
