package spool

import (
	"context"
	"time"
)

// Operator is what a person can do with the spool, also while a process serves it.
// Each verb handles all requests that match when it begins, in short steps, oldest first, each of them
// durable and consistent: an error leaves the steps before it done. An active request
// is never changed, and counted as Busy. An unknown queue id is ErrNotFound.
type Operator interface {
	Reader

	// Retry queues again what failed, was dropped or has a hold of its own, at the end
	// of its lane and under its local_id. Deferred ones become due. What is pending is moved if o
	// names a route, and otherwise left alone.
	Retry(ctx context.Context, now time.Time, f Filter, o RetryOptions) (Moved, error)

	// Drop ends open requests. Their lanes go on.
	Drop(ctx context.Context, now time.Time, f Filter) (Moved, error)

	// Hold holds open requests, for a reason ("": OperatorReason), until Release. A lane
	// waits for a held head.
	Hold(ctx context.Context, now time.Time, f Filter, reason string) (Moved, error)

	// Release releases requests that Hold holds. Their trial begins anew.
	Release(ctx context.Context, now time.Time, f Filter) (Moved, error)

	// HoldDestination holds a team or a route, until ReleaseDestination: what is and
	// will be pending there is neither sent nor tried as a probe. It replaces a hold of
	// heyrelay itself. Without a reason, that is OperatorReason.
	HoldDestination(ctx context.Context, now time.Time, h Hold) error

	// ReleaseDestination ends the hold of a destination, also one of heyrelay itself.
	// Its deferred requests become due, and the trial of its requests begins anew. It
	// reports whether there was a hold.
	ReleaseDestination(ctx context.Context, now time.Time, at Destination) (bool, error)

	// Forget drops open requests to a recipient, and deletes addresses, titles and
	// bodies of all messages to it that have ended, and of its conversations, and revokes the links to
	// their files. The ledger keeps counting them. Such a request is never sent again, not even when its
	// message is retried.
	Forget(ctx context.Context, now time.Time, recipient string) (Moved, error)

	// Revoke ends the links of a message's attachments, and returns how many it ended. What
	// other messages share with it stays. ErrNotFound where the message has no attachment.
	Revoke(ctx context.Context, now time.Time, queueID string) (n int, err error)

	Cleaning

	// Stats returns the ledger, by route. What any hold keeps back counts as held.
	Stats(ctx context.Context) ([]RouteStats, error)

	// Kept returns the holds, each with the number of requests that it keeps back. A
	// request counts with the first of its own, its team's and its route's hold.
	Kept(ctx context.Context) ([]Kept, error)

	Close() error
}

// RetryOptions change how requests are retried. The zero value changes nothing.
type RetryOptions struct {
	// Anew sends each request under a new local_id, of NewLocalID. What may have been
	// sent can then arrive twice. Flagged requests are retried as well.
	Anew       bool
	NewLocalID func() string

	// Route moves requests to a route, of this Team and Inbox, including those of the
	// route itself that are for another inbox. One that moves to another scope opens a
	// new conversation. "" moves nothing.
	Route string
	Team  string
	Inbox int64
}

// Moved counts what a verb did.
type Moved struct {
	Requests  int `json:"requests"`
	MaybeSent int `json:"maybe_sent"` // those of them whose outcome is unknown
	Busy      int `json:"busy"`       // left out, for their attempt is in progress

	// Where all that match and are pending stand when their step ends.
	Due      int    `json:"due"`            // sent next
	Behind   int    `json:"behind"`         // sent after others of their conversation
	Deferred int    `json:"deferred"`       // sent at their time
	Kept     []Kept `json:"kept,omitempty"` // kept back
}

// Add adds what a verb did to others.
func (m *Moved) Add(o Moved) {
	m.Requests += o.Requests
	m.MaybeSent += o.MaybeSent
	m.Busy += o.Busy
	m.Due += o.Due
	m.Behind += o.Behind
	m.Deferred += o.Deferred
	for _, k := range o.Kept {
		m.Kept = AddKept(m.Kept, k.Hold, k.Requests)
	}
}

// RouteStats is the ledger of one route: everything ever accepted, by its state.
type RouteStats struct {
	Route    string         `json:"route"`
	Accepted int            `json:"accepted"` // the sum
	States   map[string]int `json:"states"`
}

// Pending returns how many of them have not ended.
func (r RouteStats) Pending() int {
	n := 0
	for _, state := range OpenStates() {
		n += r.States[state.String()]
	}
	return n
}
