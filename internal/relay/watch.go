package relay

import (
	"context"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
)

// watchEvery is how often the backlog is looked at.
const watchEvery = time.Minute

// watch tells when too much waits, or something for too long, until ctx ends.
func (r *Relay) watch(ctx context.Context) {
	over := notify.Watch{Backlog: r.cfg.Events.Backlog, Oldest: r.cfg.Events.Oldest.Std()}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		waiting, oldest, err := r.store.Backlog(ctx)
		if err != nil {
			r.sink.Record(events.Event{Kind: events.Error, Time: r.now(), Reason: "what waits could not be looked at", Err: err})
			continue
		}
		for _, e := range over.Look(r.now(), waiting, oldest) {
			r.announce(ctx, e)
		}
	}
}
