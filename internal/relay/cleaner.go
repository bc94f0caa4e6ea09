package relay

import (
	"context"
	"time"

	"heyrelay/internal/cleaning"
)

// strayInterval is how often the blob store is listed for objects that the spool does not know.
const strayInterval = 24 * time.Hour

// clean deletes from the blob store what no link needs, until ctx ends.
func (r *Relay) clean(ctx context.Context) {
	c := &cleaner{relay: r, Cleaner: cleaning.Cleaner{Spool: r.store, Now: r.now, Pause: prunePause}}
	silent := func(time.Duration, time.Duration) {} // prune records it
	r.delete(ctx, c.once, silent)
}

// cleaner does rounds for a relay.
type cleaner struct {
	cleaning.Cleaner
	relay   *Relay
	listed  time.Time // when strays were looked for last; zero before the first time
	failing bool      // so that an outage is recorded once
}

// once does a round with the store in force, and returns the pause before the next.
func (c *cleaner) once(ctx context.Context) time.Duration {
	c.Blobs = c.relay.setup.Load().blobs
	if c.Blobs == nil {
		return pruneInterval
	}
	began := time.Now()
	strays := c.listed.IsZero() || began.Sub(c.listed) >= strayInterval
	_, err := c.Round(ctx, strays)
	switch {
	case ctx.Err() != nil:
		return pruneInterval
	case err == nil && strays:
		c.listed = began
	case err != nil && !c.failing:
		c.relay.recordError("files that no link needs could not be deleted from the blob store; will retry", err)
	}
	c.failing = err != nil
	return pruneInterval
}
