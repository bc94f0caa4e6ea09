// Package backend is what the console and the admin API have in common: what they read of a
// running relay, and how they change its requests.
package backend

import (
	"context"
	"fmt"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Backend is a running relay. All fields but Blobs are required.
type Backend struct {
	Operator spool.Operator    // reads the spool, and changes it as "heyrelay queue" does
	Events   *events.Stream    // what happens, as it happens
	Activity *activity.Counter // what happened in each minute
	Rates    map[string]int    // calls a minute that each team may make
	ByMail   map[string]string // the routes that have a smarthost, with their teams
	Kick     func()            // wakes the scheduler after a change
	Record   func(events.Event)
	Now      func() time.Time
	NewID    func() string // a new local_id

	// Health returns whether mail is accepted and sent ("serving", "degraded" or "not
	// serving"), and why it is not better.
	Health func(ctx context.Context) (status string, reasons []string)

	Blobs blob.Store // of attachments; nil for none

	// Body returns what the API gets for a task of spool.Reader's Sends; nil where it gets
	// nothing, because the message leaves by a smarthost.
	Body func(*spool.Task) ([]byte, error)
}

// Actions are the names of what Act does.
var Actions = []string{"retry", "hold", "release", "drop"}

// Action is a change of requests.
type Action struct {
	Name   string // one of Actions
	Reason string // of a hold; "": spool.OperatorReason
	Anew   bool   // of a retry: under a new local_id
}

// Act does an action to all requests that a filter selects, wakes the scheduler, and records that the
// user of ctx did it. With an error, it may be done to some of them.
func (b Backend) Act(ctx context.Context, a Action, f spool.Filter) (spool.Moved, error) {
	moved, err := b.act(ctx, a, f)
	b.Kick()
	b.Operated(ctx, fmt.Sprintf("%s of %d requests, selected by %s", a.Name, moved.Requests, selection(f)))
	return moved, err
}

func (b Backend) act(ctx context.Context, a Action, f spool.Filter) (spool.Moved, error) {
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

// selection names the conditions of a filter for the log, where addresses and subjects do not
// belong.
func selection(f spool.Filter) string {
	switch len(f.QueueIDs) {
	case 0:
		return "filter"
	case 1:
		return "queue id " + f.QueueIDs[0]
	}
	return fmt.Sprintf("%d queue ids", len(f.QueueIDs))
}

// Hold holds a destination, and what its routes send to smarthosts, also for mail to come. It
// records that the user of ctx did it.
func (b Backend) Hold(ctx context.Context, at spool.Destination, reason string) error {
	for _, one := range at.WithSmarthosts(b.ByMail) {
		h := spool.Hold{Team: one.Team, Route: one.Route, Inbox: one.Inbox, Reason: reason}
		if err := b.Operator.HoldDestination(ctx, b.Now(), h); err != nil {
			return err
		}
	}
	b.Kick()
	b.Operated(ctx, "hold of "+at.Name())
	return nil
}

// Release ends the hold of a destination, and of what its routes send to smarthosts, also one of
// heyrelay itself. It records that the user of ctx did it. found is false, and nothing has changed,
// if there is none.
func (b Backend) Release(ctx context.Context, at spool.Destination) (found bool, err error) {
	for _, one := range at.WithSmarthosts(b.ByMail) {
		released, err := b.Operator.ReleaseDestination(ctx, b.Now(), one)
		if err != nil {
			return found, err
		}
		found = found || released
	}
	if !found {
		return false, nil
	}
	b.Kick()
	b.Operated(ctx, "release of "+at.Name())
	return true, nil
}

// Revoke ends the links of a message's attachments, and records that the user of ctx did it. The error
// is spool.ErrNotFound if it has none.
func (b Backend) Revoke(ctx context.Context, queueID string) (n int, err error) {
	n, err = b.Operator.Revoke(ctx, b.Now(), queueID)
	if err != nil {
		return 0, err
	}
	b.Operated(ctx, fmt.Sprintf("revoke of %d links of message %s", n, queueID))
	return n, nil
}

// Operated records what the user of ctx did.
func (b Backend) Operated(ctx context.Context, what string) {
	b.Record(events.Event{Kind: events.Operated, Time: b.Now(), User: access.UserOf(ctx), Reason: what})
}
