package relay

import (
	"context"
	"fmt"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
)

const (
	pruneInterval = 10 * time.Minute
	pruneStep     = 200                   // messages in one transaction, so that accepting is not delayed
	prunePause    = 20 * time.Millisecond // between two transactions, for other users of the spool
	pruneDistrust = 24 * time.Hour        // longest pause after the clock was set ahead, so that it can be corrected
)

// prune deletes from the spool what need not be kept any longer, until ctx ends.
func (r *Relay) prune(ctx context.Context) {
	r.delete(ctx, r.pruneOnce, func(jump, pause time.Duration) {
		const reason = "the clock was set ahead by %v: nothing is deleted from the spool for %v; " +
			"correct the clock by then if it is wrong"
		r.recordError(fmt.Sprintf(reason, jump.Round(time.Second), pause.Round(time.Second)), nil)
	})
}

// delete does steps until ctx ends, each after the pause that the one before has returned. After the
// clock was set ahead it waits, and distrust is called.
func (r *Relay) delete(
	ctx context.Context, once func(context.Context) time.Duration, distrust func(jump, pause time.Duration),
) {
	clock := spool.NewClock(r.now)
	wait := time.NewTimer(pruneInterval)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if jump := clock.Changed(); jump > 0 {
			pause := min(jump, pruneDistrust) // for a machine that slept a night this is enough
			distrust(jump, pause)
			wait.Reset(pause)
			continue
		}
		wait.Reset(once(ctx))
	}
}

// pruneOnce deletes one step, and returns the pause before the next.
func (r *Relay) pruneOnce(ctx context.Context) time.Duration {
	n, err := r.store.Prune(ctx, r.now(), r.retention(), pruneStep)
	switch {
	case err != nil && ctx.Err() == nil:
		r.recordError("expired messages could not be deleted from the spool; will retry", err)
	case err == nil && n > 0:
		return prunePause
	}
	return pruneInterval
}

func (r *Relay) retention() spool.Retention {
	cfg := r.config()
	keep := cfg.Retention
	return spool.Retention{
		Content: keep.Content.Std(),
		Sent:    keep.Sent.Std(),
		Failed:  keep.Failed.Std(),
		Threads: keep.Threads.Std(),
		Repeats: cfg.Delivery.Dedupe.Std(),
		Ways:    waysInUse(cfg),
	}
}

// waysInUse are the ways in which notices leave. Notices of other ways, left over
// from an earlier configuration, are not kept for ever.
func waysInUse(cfg *config.Config) (ways []spool.Way) {
	if cfg.Bounces.Smarthost != "" {
		ways = append(ways, spool.Mail)
	}
	if cfg.Events.URL != "" {
		ways = append(ways, spool.Hook)
	}
	return ways
}
