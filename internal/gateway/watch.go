package gateway

import (
	"context"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
)

// watchEvery is how often the backlog is looked at.
const watchEvery = time.Minute

// watch tells when too much waits, or something for too long, until ctx ends.
func (g *Gateway) watch(ctx context.Context) {
	over := notify.Watch{Backlog: g.cfg.Events.Backlog, Oldest: g.cfg.Events.Oldest.Std()}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		waiting, oldest, err := g.store.Backlog(ctx)
		if err != nil {
			g.sink.Record(events.Event{Kind: events.Trouble, Time: g.now(), Reason: "what waits could not be looked at", Err: err})
			continue
		}
		for _, e := range over.Look(g.now(), waiting, oldest) {
			g.announce(ctx, e)
		}
	}
}
