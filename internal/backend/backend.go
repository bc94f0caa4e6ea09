// Package backend is what the console and the admin API have in common: what they read of a
// running relay, and how they change its requests.
package backend

import (
	"context"
	"fmt"
	"time"

	"heyrelay/internal/activity"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Backend is a running relay. All fields are required.
type Backend struct {
	Operator spool.Operator    // reads the spool, and changes it as "heyrelay queue" does
	Events   *events.Stream    // what happens, as it happens
	Activity *activity.Counter // what happened in each minute
	Rates    map[string]int    // calls a minute that each team may make
	Kick     func()            // wakes the scheduler after a change
	Record   func(events.Event)
	Now      func() time.Time
	NewID    func() string // a new local_id

	// Health returns whether mail is accepted and sent ("serving", "degraded" or "not
	// serving"), and why it is not better.
	Health func(ctx context.Context) (status string, reasons []string)

	// Body returns what the API gets for a task of spool.Reader's Sends.
	Body func(spool.Task) ([]byte, error)
}

// Actions are the names of what Act does.
var Actions = []string{"retry", "hold", "release", "drop"}

// Action is a change of requests.
type Action struct {
	Name   string // one of Actions
	Reason string // of a hold; "": spool.OperatorReason
	Anew   bool   // of a retry: under a new local_id
}

// Act does an action to all requests that a filter selects, and wakes the scheduler. With an error,
// it may be done to some of them.
func (b Backend) Act(ctx context.Context, a Action, f spool.Filter) (spool.Moved, error) {
	defer b.Kick()
	now := b.Now()
	switch a.Name {
	case "retry":
		return b.Operator.Retry(ctx, now, f, spool.RetryOptions{Anew: a.Anew, NewLocalID: b.NewID})
	case "hold":
		return b.Operator.Hold(ctx, now, f, a.Reason)
	case "release":
		return b.Operator.Release(ctx, now, f)
	case "drop":
		return b.Operator.Drop(ctx, now, f)
	}
	return spool.Moved{}, fmt.Errorf("there is no action %q", a.Name)
}
