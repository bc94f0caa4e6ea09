package relay

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// Status says how well a relay works.
type Status string

// The statuses, from good to bad.
const (
	Serving    Status = "serving"     // accepts mail and sends it
	Degraded   Status = "degraded"    // accepts mail, but some of it is delayed
	NotServing Status = "not serving" // does not accept mail
)

// Health is the state of a relay, and why it is not better.
type Health struct {
	Status  Status    `json:"status"`
	Reasons []string  `json:"reasons"`          // empty if Status is Serving
	Paused  []string  `json:"paused,omitempty"` // those of Reasons that pause a team without a hold
	Pending int       `json:"pending"`          // requests
	Oldest  time.Time `json:"oldest,omitzero"`  // when the oldest pending request was accepted; zero if there is none
}

// worsen lowers the status and adds a reason.
func (h *Health) worsen(to Status, reason string) {
	h.Reasons = append(h.Reasons, reason)
	if h.Status != NotServing {
		h.Status = to
	}
}

// Health examines the relay. It writes to the spool.
func (r *Relay) Health(ctx context.Context) Health {
	h := Health{Status: Serving, Reasons: []string{}}
	if r.stopping.Load() {
		h.worsen(NotServing, "it is shutting down")
	}
	if err := r.store.Ping(ctx); err != nil {
		h.worsen(NotServing, "the spool accepts no mail: "+err.Error())
	}
	pending, oldest, err := r.store.Backlog(ctx)
	if err != nil {
		h.worsen(NotServing, "the backlog cannot be read: "+err.Error())
	}
	h.Pending = pending
	h.Oldest = oldest
	age, limit := r.now().Sub(oldest), r.config().Health.Oldest.Std()
	if !oldest.IsZero() && limit > 0 && age > limit {
		const reason = "the oldest pending request is %v old; health.oldest is %v"
		h.worsen(Degraded, fmt.Sprintf(reason, age.Round(time.Second), limit))
	}
	holds, err := r.store.Holds(ctx)
	if err != nil {
		h.worsen(NotServing, "the holds cannot be read: "+err.Error())
	}
	held := map[string]bool{}
	for _, one := range holds {
		held[one.Team] = held[one.Team] || one.Route == ""
		h.worsen(Degraded, one.String())
	}
	for _, team := range slices.Sorted(maps.Keys(r.setup.Load().delivery.Teams)) {
		if reason := r.pause(ctx, team); reason != "" && !held[team] {
			h.worsen(Degraded, reason)
			h.Paused = append(h.Paused, reason)
		}
	}
	if err := r.checkBlobs(ctx); err != nil {
		h.worsen(Degraded, "attachments can neither be stored nor downloaded: "+err.Error())
	}
	return h
}

// pause explains why a team that is not held calls nothing now, "" if it does: an open breaker, or an
// answer 429.
func (r *Relay) pause(ctx context.Context, team string) string {
	name := spool.Destination{Team: team}.Name()
	if !r.scheduler.Responds(team) {
		if _, ok := spool.SmarthostRoute(team); ok {
			return name + " is paused: it does not respond; trying one message at a time"
		}
		return name + " is paused: its API calls fail; trying one at a time"
	}
	throttle, err := r.store.Throttled(ctx, team)
	if err != nil {
		return "" // Ping and Backlog have said so
	}
	until := throttle.Shut(r.now())
	if until.IsZero() {
		return ""
	}
	return name + " is paused until " + until.UTC().Format(time.RFC3339) + ": the API answered 429"
}

// checkSpool records if the spool accepts no mail.
func (r *Relay) checkSpool(ctx context.Context) {
	if err := r.store.Ping(ctx); err != nil {
		r.recordError("the spool accepts no mail: clients are deferred until that is corrected", err)
	}
}
