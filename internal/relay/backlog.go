package relay

import (
	"context"
	"time"

	"heyrelay/internal/notify"
)

// backlogInterval is how often the backlog is checked.
const backlogInterval = time.Minute

// monitorBacklog publishes an event when too many requests are pending, or one for
// too long, until ctx ends.
func (r *Relay) monitorBacklog(ctx context.Context) {
	var limits notify.Thresholds
	tick := time.NewTicker(backlogInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		limits.Backlog = r.config().Events.Backlog
		limits.Oldest = r.config().Events.Oldest.Std()
		pending, oldest, err := r.store.Backlog(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.recordError("the backlog could not be read", err)
			continue
		}
		for _, e := range limits.Check(r.now(), pending, oldest) {
			r.publish(ctx, e)
		}
	}
}
