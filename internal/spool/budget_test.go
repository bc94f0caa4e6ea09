package spool

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// spend begins calls until end, waking up to late after the budget opens and
// pausing at random for as long as idle says, and returns when each began.
func spend(r *rand.Rand, rate int, end time.Time, late, idle time.Duration) []time.Time {
	var began []time.Time
	var next time.Time
	for now := epoch; now.Before(end); {
		var ok bool
		next, ok = Spend(rate, now, next)
		if ok {
			began = append(began, now)
		} else {
			now = later(now, Opens(next)).Add(rand.N(late))
		}
		if idle > 0 && r.IntN(200) == 0 {
			now = now.Add(time.Duration(r.Int64N(int64(idle))))
		}
	}
	return began
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mostInMinute is the largest number of calls in any closed span of 60 s.
func mostInMinute(began []time.Time) (most int) {
	first := 0
	for i, t := range began {
		for t.Sub(began[first]) > time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

var rates = []int{1, 2, 9, 10, 11, 60, 100, 150, 199, 200, 201, 202, 203, 300, 499, 500, 1000, 7777, 60000, 600000}

// TestBudgetNeverExceeded looks at every span of 60 s, in a backlog and with
// pauses that save up what may be caught up.
func TestBudgetNeverExceeded(t *testing.T) {
	for _, rate := range rates {
		for _, idle := range []time.Duration{0, time.Second, 10 * time.Second} {
			t.Run(fmt.Sprintf("rate=%d/idle=%s", rate, idle), func(t *testing.T) {
				seed := rand.Uint64()
				end := epoch.Add(max(70*time.Second, 600*time.Minute/time.Duration(rate)))
				began := spend(rand.New(rand.NewPCG(seed, 1)), rate, end, 250*time.Millisecond, idle)
				if most := mostInMinute(began); most > rate {
					t.Errorf("%d calls began within 60 s, want at most %d (seed %d)", most, rate, seed)
				}
			})
		}
	}
}

// TestBudgetUsed has a caller with a backlog that wakes late.
func TestBudgetUsed(t *testing.T) {
	for _, rate := range rates {
		if rate < 10 {
			continue // a share is too long to measure in one run
		}
		for _, late := range []time.Duration{time.Nanosecond, 5 * time.Millisecond, 100 * time.Millisecond} {
			t.Run(fmt.Sprintf("rate=%d/late=%s", rate, late), func(t *testing.T) {
				seed := rand.Uint64()
				span := max(10*time.Second, 1000*time.Minute/time.Duration(rate))
				began := spend(rand.New(rand.NewPCG(seed, 2)), rate, epoch.Add(span), late, 0)
				used := float64(len(began)) / (float64(rate) * span.Minutes())
				if used < 0.98 {
					t.Errorf("%.2f %% of the budget was used, want at least 98 %% (seed %d)", 100*used, seed)
				}
			})
		}
	}
}

// TestBudgetPaced says how many calls begin at one instant after a long rest.
func TestBudgetPaced(t *testing.T) {
	for rate, want := range map[int]int{10: 1, 500: 3, 6000: 30} {
		var next time.Time
		n, ok := -1, true
		for ; ok; n++ {
			next, ok = Spend(rate, epoch, next)
		}
		if n != want {
			t.Errorf("rate %d: %d calls began at once, want %d", rate, n, want)
		}
	}
}

// TestBudgetClockJumpsBack has a next of a time that is now an hour ahead. It
// must open within a share, also for a caller who only asks again and again.
func TestBudgetClockJumpsBack(t *testing.T) {
	next, ok := Spend(60, epoch, epoch.Add(time.Hour))
	if ok {
		t.Fatal("a call began at once; the calls before the jump are forgotten")
	}
	if wait := Opens(next).Sub(epoch); wait > 1010*time.Millisecond {
		t.Errorf("opens after %s, want a share of a minute", wait)
	}
	for now := epoch; !ok; now = now.Add(100 * time.Millisecond) {
		if now.Sub(epoch) > 2*time.Second {
			t.Fatal("never opened")
		}
		next, ok = Spend(60, now, next)
	}
}

// TestReserve has calls taken in advance: each may begin a share after the one
// before, and Spend has nothing to give until then.
func TestReserve(t *testing.T) {
	next, _ := Spend(60, epoch, time.Time{})
	last := epoch
	for i := range 20 {
		var begin time.Time
		begin, next = Reserve(60, epoch, next)
		if gap := begin.Sub(last); i > 0 && gap != minute/60 {
			t.Errorf("call %d may begin %s after the one before, want %s", i, gap, minute/60)
		}
		last = begin
	}
	if wait := last.Sub(epoch); wait < 19*time.Second || wait > 21*time.Second {
		t.Errorf("after 20 calls at 60 a minute the last may begin after %s, want about 20 s", wait)
	}
	if wait := Opens(next).Sub(epoch); wait < 20*time.Second || wait > 22*time.Second {
		t.Errorf("after 21 calls at 60 a minute the budget opens after %s, want about 21 s", wait)
	}
	var now time.Time
	for now = epoch.Add(time.Second); Opens(next).After(now); now = now.Add(time.Second) {
		next, _ = Spend(60, now, next)
	}
	if wait := now.Sub(epoch); wait < 20*time.Second {
		t.Errorf("asked again and again, the budget opened after %s, want about 21 s", wait)
	}
	if begin, _ := Reserve(0, epoch, epoch); !begin.After(epoch) {
		t.Error("a call of a budget of nothing may begin at once")
	}
	if begin, _ := Reserve(60, epoch, epoch.Add(time.Hour)); begin.Sub(epoch) > 2*time.Second {
		t.Errorf("after the clock jumped back an hour a call may begin after %s", begin.Sub(epoch))
	}
}

func TestBudgetOfNothing(t *testing.T) {
	if _, ok := Spend(0, epoch, time.Time{}); ok {
		t.Error("a call began on a budget of 0")
	}
}

func TestClassOrder(t *testing.T) {
	first := map[Priority]int{}
	for tick := range int64(64) {
		order := ClassOrder(tick)
		first[order[0]]++
		if order[1] > order[2] {
			t.Errorf("tick %d: %v follows %v", tick, order[2], order[1])
		}
		if order[0]+order[1]+order[2] != High+Normal+Bulk || order[0] == order[1] || order[1] == order[2] {
			t.Errorf("tick %d: %v is not each class once", tick, order)
		}
	}
	if first[High] != 56 || first[Normal] != 4 || first[Bulk] != 4 {
		t.Errorf("of 64 ticks %v begin at each class, want 56 high, 4 normal, 4 bulk", first)
	}
}
