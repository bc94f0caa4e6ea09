package sqlite

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

var keepNothing = spool.Retention{Content: time.Hour, Sent: time.Hour, Failed: time.Hour, Threads: time.Hour}

// sentLongAgo fills a spool with n messages that were sent long ago.
func sentLongAgo(t testing.TB, n int64) (s *Store, now time.Time) {
	s = openSpool(t, Options{termsAt: 1})
	fill(t, s, n)
	for sent := int64(0); sent < n; {
		tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 500})
		if err != nil || len(tasks) == 0 {
			t.Fatal(len(tasks), err)
		}
		outcomes := make([]spool.Outcome, len(tasks))
		for i, task := range tasks {
			outcomes[i] = spool.Outcome{
				Task:      task,
				State:     spool.Sent,
				ConvoID:   task.Request,
				MessageID: task.Request,
				Status:    200,
			}
		}
		if _, err := s.Finish(t.Context(), epoch, outcomes...); err != nil {
			t.Fatal(err)
		}
		sent += int64(len(tasks))
	}
	return s, epoch.Add(30 * 24 * time.Hour)
}

// A step of Prune changes so many rows as its limit allows, however much there is
// to be taken out: accepting waits for no more than that.
func TestPruneStepsAreBounded(t *testing.T) {
	const limit = 50
	const rows = 5 * limit // of a message: itself, its content, its request with one attempt, a figure of the ledger
	for _, n := range []int64{200, 2000} {
		s, now := sentLongAgo(t, n)
		total := 0
		for looked := 1; looked > 0; {
			before := changes(t, s)
			var err error
			looked, err = s.Prune(t.Context(), now, keepNothing, limit)
			if err != nil {
				t.Fatal(err)
			}
			changed := changes(t, s) - before
			total += changed
			if changed > rows {
				t.Errorf("of %d messages one step changed %d rows, want at most %d", n, changed, rows)
			}
		}
		if want := 9 * int(n); total != want { // with the id, the conversation and two terms
			t.Errorf("%d rows were changed for %d messages, want %d: the test proves nothing", total, n, want)
		}
	}
}

// What Prune deletes makes the file smaller, a little with each round.
func TestPruneShrinksTheFile(t *testing.T) {
	s, now := sentLongAgo(t, 3000)
	pages := func() (n int) {
		if err := s.db.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := pages()
	for range 10 {
		for n := 1; n > 0; {
			var err error
			n, err = s.Prune(t.Context(), now, keepNothing, 500)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := pages(); after > before/2 {
		t.Errorf("the file has %d pages, and had %d with 3,000 messages: want less than half", after, before)
	}
}

// changes counts the rows that the writer has changed so far.
func changes(t *testing.T, s *Store) int {
	n, err := run(t.Context(), s, 0, func(w *writer) (n int, err error) {
		_, err = w.get("SELECT total_changes()", nil, &n)
		return n, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkAcceptWhilePruning accepts one message after the other beside a sweep
// over 20,000 that are to go, and without one, and measures how long the slowest
// had to wait.
func BenchmarkAcceptWhilePruning(b *testing.B) {
	for _, pruning := range []bool{false, true} {
		b.Run(map[bool]string{false: "alone", true: "pruning"}[pruning], func(b *testing.B) {
			const old = 20_000
			s, now := sentLongAgo(b, old)
			ctx, stop := context.WithCancel(b.Context())
			var sweeping sync.WaitGroup
			if pruning {
				sweeping.Go(func() {
					for ctx.Err() == nil {
						_, _ = s.Prune(ctx, now, keepNothing, 200) // an error is the end of ctx
					}
				})
			}
			var took []time.Duration
			for i := old; b.Loop(); i++ {
				m := mail(int64(i))
				m.Accepted = now
				began := time.Now()
				if _, err := s.Accept(ctx, m); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(began))
			}
			stop()
			sweeping.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
		})
	}
}
