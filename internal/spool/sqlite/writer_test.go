package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// inOneBatch starts calls while the writer is busy, so that it takes all of them
// in its next transaction, in this order. It must run within a synctest bubble.
func inOneBatch(t *testing.T, s *Store, calls ...func()) {
	t.Helper()
	busy := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := run(t.Context(), s, 0, func(*writer) (int, error) {
			<-busy
			return 0, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	for _, call := range calls {
		wg.Go(call)
		synctest.Wait()
	}
	close(busy)
	wg.Wait()
}

// refused is an operation that SQLite refuses after it has written something.
func refused(w *writer) (int, error) {
	w.entered("nowhere", spool.Ready)
	const insert = `
INSERT INTO conversation (team, inbox, participants, title, base_subject, last_used) VALUES ('x', 1, 'm', '', '', 0)`
	if _, err := w.exec(insert); err != nil {
		return 0, err
	}
	_, err := w.exec("INSERT INTO counter (route, state, n) VALUES ('x', 99, 1)")
	return 0, err
}

// doomed is an operation that only the commit finds out: a content without a
// message.
func doomed(w *writer) (int, error) {
	if _, err := w.exec("PRAGMA defer_foreign_keys = ON"); err != nil {
		return 0, err
	}
	_, err := w.exec("INSERT INTO content (message, html, subject_offset, text) VALUES (999, '', 0, '')")
	return 0, err
}

func wantCount(t *testing.T, s *Store, table string, want int) {
	t.Helper()
	var n int
	if err := s.Reader.db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil ||
		n != want {
		t.Errorf("%d rows in %s (%v), want %d", n, table, err, want)
	}
}

func wantSound(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestBadOperationHurtsNobody has one between two good ones, in one transaction.
func TestBadOperationHurtsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{})
		var first, bad, second error
		inOneBatch(t, s,
			func() { _, first = s.Accept(t.Context(), mail(1)) },
			func() { _, bad = run(t.Context(), s, 0, refused) },
			func() { _, second = s.Accept(t.Context(), mail(2)) })
		if first != nil || second != nil {
			t.Errorf("the good ones: %v, %v", first, second)
		}
		if bad == nil || !strings.Contains(bad.Error(), "CHECK") {
			t.Errorf("the bad one: %v, want the schema's refusal", bad)
		}
		wantCount(t, s, "message", 2)
		wantCount(t, s, "conversation", 2)
		wantSound(t, s)
	})
}

// TestRefusalSpoilsNothing has one that was refused before it changed anything between two good
// ones: their transaction is not repeated.
func TestRefusalSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{})
		_, _ = s.Accept(t.Context(), mail(1))
		again := mail(1)
		again.ContentDigest = spool.Fingerprint{1}
		var first, bad, second error
		commits := 0
		s.writer.ran = func(query string) {
			if query == "COMMIT" {
				commits++
			}
		}
		inOneBatch(t, s,
			func() { _, first = s.Accept(t.Context(), mail(2)) },
			func() { _, bad = s.Accept(t.Context(), again) },
			func() { _, second = s.Accept(t.Context(), mail(3)) })
		if first != nil || second != nil || !errors.Is(bad, spool.ErrKey) {
			t.Errorf("the good ones: %v, %v; the bad one: %v", first, second, bad)
		}
		if commits > 2 { // of the operation that kept the writer busy, and of these
			t.Errorf("%d commits, want at most 2", commits)
		}
	})
}

// TestRepeatedOperation repeats one that remembers what it saw, for another of its batch failed.
func TestRepeatedOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{})
		done, remembered := 0, 0
		remembers := func(w *writer) (struct{}, error) {
			done++
			w.after = append(w.after, func() { remembered++ })
			return struct{}{}, nil
		}
		inOneBatch(t, s,
			func() { _, _ = run(t.Context(), s, 0, remembers) },
			func() { _, _ = run(t.Context(), s, 0, refused) })
		if done != 2 || remembered != 1 {
			t.Errorf("done %d times, and remembered %d times, want 2 and 1", done, remembered)
		}
	})
}

// TestLookCostsNoCommit has the scheduler look, each second, for what others did: the disk rests.
func TestLookCostsNoCommit(t *testing.T) {
	s := openSpool(t, Options{})
	before := s.Commits().Seconds.Count
	for range 3 {
		if _, err := s.ChangedExternally(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Commits().Seconds.Count - before; n > 0 {
		t.Errorf("three looks made %d commits", n)
	}
}

// TestAnswerAfterCommit has a commit fail: everybody of the transaction hears
// it, nobody was answered before, and nothing is left of it.
func TestAnswerAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{})
		var first, second, last error
		inOneBatch(t, s,
			func() { _, first = s.Accept(t.Context(), mail(1)) },
			func() { _, second = run(t.Context(), s, 0, doomed) },
			func() { _, last = s.Accept(t.Context(), mail(2)) })
		if first == nil || second == nil || last == nil {
			t.Errorf("the commit failed, and its callers got %v, %v, %v", first, second, last)
		}
		wantCount(t, s, "message", 0)
		if _, err := s.Accept(t.Context(), mail(1)); err != nil {
			t.Errorf("the next transaction: %v", err)
		}
		wantSound(t, s)
	})
}

// TestSeeEachOther has two messages of one transaction find each other.
func TestSeeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{})
		reply, again := mail(2), mail(1)
		reply.Requests[0].Lookup = mail(1).Requests[0].Own
		again.QueueID = "Q3"
		var joined, repeat spool.Receipt
		inOneBatch(t, s,
			func() { _, _ = s.Accept(t.Context(), mail(1)) },
			func() { joined, _ = s.Accept(t.Context(), reply) },
			func() { repeat, _ = s.Accept(t.Context(), again) })
		if len(joined.Joined) != 1 || joined.Joined[0] != 0 {
			t.Errorf("the reply's receipt is %+v, want one that joined", joined)
		}
		if !repeat.Duplicate || repeat.QueueID != "Q1" {
			t.Errorf("the repeat's receipt is %+v, want a duplicate of Q1", repeat)
		}
	})
}

// TestContext has one end before the writer comes to its operation, and one
// within.
func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{})
		before, cancelBefore := context.WithCancel(t.Context())
		within, cancelWithin := context.WithCancel(t.Context())
		var given, kept error
		inOneBatch(t, s,
			func() {
				_, err := run(t.Context(), s, 0, func(*writer) (int, error) {
					cancelBefore()
					return 0, nil
				})
				if err != nil {
					t.Error(err)
				}
			},
			func() { _, given = s.Accept(before, mail(1)) },
			func() {
				_, kept = run(within, s, 0, func(w *writer) (spool.Receipt, error) {
					cancelWithin()
					return w.accept(prepare(mail(2), nil))
				})
			})
		if !errors.Is(given, context.Canceled) {
			t.Errorf("the one that had not begun: %v, want context.Canceled", given)
		}
		if kept != nil {
			t.Errorf("the one that was committed: %v", kept)
		}
		wantCount(t, s, "message", 1)
	})
}

// TestGather bounds a transaction by operations and by bytes, and waits for
// nobody.
func TestGather(t *testing.T) {
	ops := make(chan *op, 2*batchOps)
	for range cap(ops) {
		ops <- &op{size: 1}
	}
	gathered := func(first *op, ops <-chan *op) int {
		b := &batch{}
		b.add(first)
		b.gather(ops)
		return len(b.ops)
	}
	if n := gathered(&op{}, ops); n != batchOps {
		t.Errorf("%d operations, want %d", n, batchOps)
	}
	if n := gathered(&op{size: batchBytes - 2}, ops); n != 3 {
		t.Errorf("%d operations, want 3, which fill the bytes", n)
	}
	if n := gathered(&op{}, nil); n != 1 {
		t.Errorf("%d operations, want the one", n)
	}
}

// set has the writer's connection change a pragma.
func set(t *testing.T, s *Store, pragma string) {
	t.Helper()
	_, err := run(t.Context(), s, 0, func(w *writer) (v any, err error) {
		_, err = w.get("PRAGMA "+pragma, nil, &v)
		return v, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiskFull fills the spool: what was accepted stays, and mail is taken again
// when there is room.
func TestDiskFull(t *testing.T) {
	s := openSpool(t, Options{})
	set(t, s, "max_page_count = 60")
	accepted := int64(0)
	var err error
	for err == nil && accepted < 1000 {
		_, err = s.Accept(t.Context(), mail(accepted))
		if err == nil {
			accepted++
		}
	}
	if !errors.Is(err, spool.ErrFull) || accepted == 0 {
		t.Fatalf("after %d messages: %v, want ErrFull", accepted, err)
	}
	wantCount(t, s, "message", int(accepted))
	wantSound(t, s)
	set(t, s, "max_page_count = 1000")
	if _, err := s.Accept(t.Context(), mail(1000)); err != nil {
		t.Error(err)
	}
	wantCount(t, s, "message", int(accepted)+1)
}

func TestReadOnlyMedium(t *testing.T) {
	s := openSpool(t, Options{})
	set(t, s, "query_only = ON")
	if _, err := s.Accept(t.Context(), mail(1)); !errors.Is(err, spool.ErrReadOnly) {
		t.Errorf("error %v, want ErrReadOnly", err)
	}
	// The writer's own way is shut: its transactions begin with a write lock.
	if _, err := s.conn.ExecContext(t.Context(), "PRAGMA query_only = OFF"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Error(err)
	}
}

// leave returns the Limits of a store that leaves so many bytes free.
func leave(free int64) func() Limits { return func() Limits { return Limits{MinFree: free} } }

// TestMinFree asks for the free space at most once a second, refuses new mail
// below it, and goes on with what is there.
func TestMinFree(t *testing.T) {
	now, asked := epoch, 0
	size := messageSize(mail(1))
	free := 1000 + size
	s := openSpool(t, Options{
		Limits: leave(1000),
		Free:   func() (int64, error) { asked++; return free, nil },
		Now:    func() time.Time { return now },
	})
	accept := func(n int64) error {
		_, err := s.Accept(t.Context(), mail(n))
		return err
	}
	if err := accept(1); err != nil {
		t.Fatal(err)
	}
	if err := accept(2); !errors.Is(err, spool.ErrFull) {
		t.Errorf("within the second, the first message has taken what was free: %v", err)
	}
	free--
	now = now.Add(time.Second)
	err := accept(3)
	if !errors.Is(err, spool.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	wantText(t, err, fmt.Sprintf("%d bytes are free", free), fmt.Sprintf("needs %d", size), "spool.min_free is 1000")
	tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 1})
	if err != nil || len(tasks) != 1 {
		t.Fatalf("claimed %d (%v), want one", len(tasks), err)
	}
	if _, err := s.Finish(t.Context(), epoch, spool.Outcome{Task: tasks[0], State: spool.Sent}); err != nil {
		t.Error(err)
	}
	free, now = free+1, now.Add(-time.Hour) // the clock jumps back
	if err := accept(3); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}

// TestMinFreeCountsReusablePages fills a spool and empties it: the disk has no more free
// than before, but the file has. The log still needs some of the disk.
func TestMinFreeCountsReusablePages(t *testing.T) {
	now, free := epoch, int64(logRoom)
	s := openSpool(t, Options{
		Limits: leave(logRoom + 100<<10),
		Free:   func() (int64, error) { return free, nil },
		Now:    func() time.Time { return now },
	})
	accept := func(n int64) error {
		now = now.Add(time.Second)
		_, err := s.Accept(t.Context(), mail(n))
		return err
	}
	if err := accept(1); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	for _, q := range []string{"CREATE TABLE x (b)", "INSERT INTO x VALUES (zeroblob(1000000))", "DROP TABLE x"} {
		if _, err := s.conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := accept(1); err != nil {
		t.Errorf("with a megabyte free within the file: %v", err)
	}
	free--
	if err := accept(2); !errors.Is(err, spool.ErrFull) {
		t.Errorf("error %v, want ErrFull: the log has no room", err)
	}
}

// messageSize is what a message counts against the free space.
func messageSize(m *spool.Message) int64 { return int64(len(m.HTML) + len(m.Text) + len(m.Raw)) }

// TestLogStaysBounded writes without a pause. The writer does not move the log in its
// commits, so somebody else must, and must also have it begin anew.
func TestLogStaysBounded(t *testing.T) {
	const at, frame, messages = 100, 4096 + 24, 4000
	s := openSpool(t, Options{checkpointAt: at})
	fill(t, s, messages)
	info, err := os.Stat(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if most := int64(12 * at * restartFactor * frame); info.Size() > most {
		t.Errorf("the log has %d bytes after %d messages, want at most %d", info.Size(), messages, most)
	}
}

// TestCheckpointsFollowCommits has the checkpointer find a long log by itself.
func TestCheckpointsFollowCommits(t *testing.T) {
	s := openSpool(t, Options{checkpointAt: 1})
	for n := int64(1); ; n++ {
		if _, err := s.Accept(t.Context(), mail(n)); err != nil {
			t.Fatal(err)
		}
		_, moved, err := s.checkpoints.pragma("NOOP")
		if err != nil {
			t.Fatal(err)
		}
		if moved > 0 {
			return
		}
		if n == 2000 {
			t.Fatal("after 2,000 commits nothing was moved")
		}
	}
}

func TestMinFreeOfThisDisk(t *testing.T) {
	s := openSpool(t, Options{Limits: leave(1 << 62)})
	if _, err := s.Accept(t.Context(), mail(1)); !errors.Is(err, spool.ErrFull) {
		t.Errorf("error %v, want ErrFull", err)
	}
}

// TestPanicInAnOperation has an operation panic: it fails alone, and leaves nothing.
func TestPanicInAnOperation(t *testing.T) {
	s := openSpool(t, Options{})
	_, err := run(t.Context(), s, 0, func(w *writer) (int64, error) {
		if _, err := w.exec("UPDATE counter SET n = 99"); err != nil {
			return 0, err
		}
		panic("oops")
	})
	if !errors.Is(err, spool.ErrPanic) || !strings.Contains(err.Error(), "oops") {
		t.Errorf("error %v, want ErrPanic with what it panicked with", err)
	}
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Errorf("the next operation: %v", err)
	}
	wantCount(t, s, "counter WHERE n < 99", 1)
}

// TestPanicOverOneRequest has a request that cannot be read: it is claimed as such,
// and the others are claimed as ever.
func TestPanicOverOneRequest(t *testing.T) {
	s := openSpool(t, Options{})
	fill(t, s, 3)
	s.beforeLoad = func(request int64) {
		if request == 2 {
			panic("oops")
		}
	}
	tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 10})
	if err != nil || len(tasks) != 3 {
		t.Fatalf("claimed %d (%v), want 3", len(tasks), err)
	}
	for _, task := range tasks {
		bad := errors.Is(task.Unreadable, spool.ErrPanic) && strings.Contains(task.Unreadable.Error(), "oops")
		if bad != (task.Request == 2) || task.QueueID == "" || task.LocalID == "" || task.Attempt != 1 ||
			task.Route == "" {
			t.Errorf("claimed %+v", task)
		}
		if bad {
			o := spool.Outcome{Task: task, State: spool.Failed, Reason: "it could not be read"}
			if all, err := s.Finish(t.Context(), epoch, o); err != nil || all[0].Err != nil {
				t.Errorf("it cannot be ended: %v %v", all, err)
			}
		}
	}
	wantSound(t, s)
}

// TestMaxWait has the clock jump back a year: what was deferred until after the
// jump is due.
func TestMaxWait(t *testing.T) {
	s := openSpool(t, Options{Limits: func() Limits { return Limits{MaxWait: time.Hour} }})
	room := spool.Capacity{Team: "shop", Rate: plenty, Free: 10}
	fill(t, s, 2)
	tasks, _, err := s.Claim(t.Context(), epoch, 2*time.Hour, room)
	if err != nil || len(tasks) != 2 {
		t.Fatalf("claimed %d (%v)", len(tasks), err)
	}
	deferred := spool.Outcome{Task: tasks[0], State: spool.Deferred, Due: epoch.Add(time.Hour)}
	if _, err := s.Finish(t.Context(), epoch, deferred); err != nil {
		t.Fatal(err)
	}
	if again, _, err := s.Claim(t.Context(), epoch, time.Hour, room); err != nil || len(again) != 0 {
		t.Errorf("claimed %d before the jump (%v), want none", len(again), err)
	}
	before := epoch.AddDate(-1, 0, 0)
	again, _, err := s.Claim(t.Context(), before, time.Hour, room)
	if err != nil || len(again) != 1 || again[0].Request != tasks[0].Request || again[0].Unknown {
		t.Errorf("claimed %+v after the jump (%v), want the deferred one, and no lease", again, err)
	}
}

// TestMaxWaitOfMany has the clock jump back while more was deferred than one claim makes ready: the next follows
// at once.
func TestMaxWaitOfMany(t *testing.T) {
	s := openSpool(t, Options{Limits: func() Limits { return Limits{MaxWait: time.Hour} }})
	fill(t, s, dueAtOnce+1)
	room := spool.Capacity{Team: "shop", Rate: plenty, Free: dueAtOnce + 1}
	tasks, _, err := s.Claim(t.Context(), epoch, time.Hour, room)
	if err != nil || len(tasks) != dueAtOnce+1 {
		t.Fatalf("claimed %d (%v)", len(tasks), err)
	}
	for _, task := range tasks {
		deferred := spool.Outcome{Task: task, State: spool.Deferred, Due: epoch.Add(time.Hour)}
		if _, err := s.Finish(t.Context(), epoch, deferred); err != nil {
			t.Fatal(err)
		}
	}
	before := epoch.AddDate(-1, 0, 0)
	_, next, err := s.Claim(t.Context(), before, time.Hour)
	if err != nil || next.After(before) {
		t.Errorf("there may be more at %v (%v), want at once, %v", next, err, before)
	}
	_, _, err = s.Claim(t.Context(), before, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	wantCount(t, s, "request WHERE state = 2", 0)
}

// TestSchemaGuardsLane asks the schema itself for a second head.
func TestSchemaGuardsLane(t *testing.T) {
	s := openSpool(t, Options{})
	fill(t, s, 2)
	_, err := run(t.Context(), s, 0, func(w *writer) (int64, error) {
		return w.exec("UPDATE request SET lane = 1, conversation = 1")
	})
	if err == nil || !strings.Contains(err.Error(), "UNIQUE constraint failed: request.lane") {
		t.Errorf("two heads in a lane: %v, want the schema's refusal", err)
	}
}
