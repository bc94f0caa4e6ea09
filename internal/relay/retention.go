package relay

import (
	"context"
	"fmt"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

const (
	sweepEvery = 10 * time.Minute
	sweepStep  = 200                   // messages in one transaction: accepting waits for no more
	sweepTrust = 24 * time.Hour        // at most, after the clock was set ahead: until then somebody can set it right
	sweepPause = 20 * time.Millisecond // between two, for everybody else
)

// sweep takes out of the spool what need not be kept any more, until ctx ends.
func (r *Relay) sweep(ctx context.Context) {
	keeps := r.cfg.Retention
	keep := spool.Retention{Content: keeps.Content.Std(), Sent: keeps.Sent.Std(), Failed: keeps.Failed.Std(), Threads: keeps.Threads.Std(), Repeats: r.cfg.Delivery.Dedupe.Std()}
	clock, wait := spool.NewClock(r.now), time.NewTimer(sweepEvery)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if jump := clock.Changed(); jump > 0 {
			trust := min(jump, sweepTrust) // of a machine that slept at night the day is enough
			r.sink.Record(events.Event{Kind: events.Error, Time: r.now(), Reason: fmt.Sprintf(
				"the clock was set ahead by %v: nothing is taken out of the spool for %v; set it right by then if it is wrong", jump.Round(time.Second), trust.Round(time.Second))})
			wait.Reset(trust)
			continue
		}
		n, err := r.store.Prune(ctx, r.now(), keep, sweepStep)
		if err != nil && ctx.Err() == nil {
			r.sink.Record(events.Event{Kind: events.Error, Time: r.now(), Reason: "what need not be kept any more could not be taken out of the spool, this is tried again", Err: err})
		}
		if err == nil && n > 0 {
			wait.Reset(sweepPause)
			continue
		}
		wait.Reset(sweepEvery)
	}
}
