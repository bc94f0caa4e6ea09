package sqlite

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// TestOutcomesWait has an outcome wait for a message to share its transaction with, a moment at most, and
// only where nothing else waits for its end.
func TestOutcomesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openSpool(t, Options{Now: func() time.Time { return epoch }})
		if _, _, err := s.Claim(t.Context(), epoch, time.Minute, shop); err != nil {
			t.Fatal(err)
		}
		ran := map[string]int{}
		accept := func(n int64) {
			if _, err := s.Accept(t.Context(), short(n)); err != nil {
				t.Error(err)
			}
		}
		ended := 0
		turn := func(teams ...spool.Capacity) {
			tasks, _ := s.Handed()
			var outcomes []spool.Outcome
			for _, task := range tasks {
				outcomes = append(outcomes, spool.Outcome{Task: task, State: spool.Sent, Status: 200})
			}
			if _, err := s.Turn(t.Context(), epoch, outcomes, time.Minute, teams...); err != nil {
				t.Error(err)
			}
			ended++
		}
		accept(1)
		s.writer.ran = func(query string) { ran[query]++ }

		go turn(shop)
		synctest.Wait()
		if ended != 0 {
			t.Error("an outcome waits for nothing")
		}
		accept(2)
		synctest.Wait()
		if ended != 1 || ran["COMMIT"] != 1 {
			t.Errorf("%d outcomes ended in %d transactions that were a message's", ended, ran["COMMIT"])
		}

		go turn(shop)
		time.Sleep(patience)
		synctest.Wait()
		if ended != 2 {
			t.Error("an outcome waits although nothing comes")
		}

		accept(3)
		other := shop
		other.Team = "other" // which may have something to begin
		go turn(shop, other)
		synctest.Wait()
		if ended != 3 {
			t.Error("what may begin waits for outcomes")
		}
	})
}

// TestMessagesWait has messages share a transaction with half of those that are on their way, if they come soon.
func TestMessagesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var coming atomic.Int64
		s := openSpool(t, Options{Now: func() time.Time { return epoch }, Coming: &coming})
		var accepted, commits atomic.Int64
		s.writer.ran = func(query string) {
			if query == "COMMIT" {
				commits.Add(1)
			}
		}
		n := int64(0)
		accept := func(many int) {
			for range many {
				n++
				m := short(n)
				go func() {
					if _, err := s.Accept(t.Context(), m); err != nil {
						t.Error(err)
					}
					accepted.Add(1)
				}()
				synctest.Wait()
			}
		}
		want := func(when string, wantAccepted, wantCommits int64) {
			t.Helper()
			a, c := accepted.Load(), commits.Load()
			if a != wantAccepted || c != wantCommits {
				t.Errorf("%s: %d are accepted in %d transactions, want %d in %d", when, a, c, wantAccepted, wantCommits)
			}
		}

		coming.Store(3)
		accept(1)
		want("one of three", 1, 1)

		coming.Store(8)
		accept(3)
		want("three of eight", 1, 1)
		accept(1)
		want("four of eight", 5, 2)

		accept(2)
		want("two of eight", 5, 2)
		time.Sleep(patience)
		synctest.Wait()
		want("two of eight, and no more come", 7, 3)

		coming.Store(1000)
		accept(mostCompany)
		want("as many as anything waits for", 7+mostCompany, 4)
	})
}
