package relay

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// pruned is a store that notes when it is pruned.
type pruned struct {
	spool.Store
	mu sync.Mutex
	at []time.Time
}

func (p *pruned) Prune(context.Context, time.Time, spool.Retention, int) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = append(p.at, time.Now())
	return 0, nil
}

func (p *pruned) times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.at)
}

// After the clock was set ahead nothing is deleted for as long as it was, so that the
// clock can be corrected, but for a day at most: then it is taken to be right.
func TestDistrustOfTheClock(t *testing.T) {
	const day = 24 * time.Hour
	for jump, want := range map[time.Duration]time.Duration{6 * time.Hour: 6 * time.Hour, 365 * day: day} {
		synctest.Test(t, func(t *testing.T) {
			var set atomic.Int64
			p := &pruned{}
			r := &Relay{store: p, sink: testLog{t}}
			r.setup.Store(&setup{cfg: parse(t, oneRoute)})
			r.now = func() time.Time { return time.Now().Round(0).Add(time.Duration(set.Load())) }
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { r.prune(ctx) })
			<-time.After(pruneInterval + time.Minute)
			if n := len(p.times()); n != 1 {
				t.Fatalf("pruned %d times in the first eleven minutes, want once", n)
			}
			set.Store(int64(jump))
			began := time.Now()
			<-time.After(48 * time.Hour)
			stop()
			running.Wait()
			pause := p.times()[1].Sub(began)
			if pause < want || pause > want+2*pruneInterval {
				t.Errorf("after a jump of %v it is pruned after %v, want %v", jump, pause, want)
			}
		})
	}
}
