package spool

import (
	"context"
	"time"
)

// Operator is what a person can do with the spool, also while a process serves
// it. Each verb goes through all that match in short steps, oldest first, each
// of them durable and sound: an error leaves the steps before it done. A request
// whose call is under way is never touched, and counted as Busy. A queue id that
// does not exist is ErrNotFound.
type Operator interface {
	Reader

	// Retry queues again, at the end of its lane and under its local_id, what
	// failed, was dropped or is held. What sleeps is due at once. What waits is
	// moved, where o says so, and otherwise left alone.
	Retry(ctx context.Context, now time.Time, f Filter, o RetryOptions) (Moved, error)

	// Drop ends what is open. Its lane goes on.
	Drop(ctx context.Context, now time.Time, f Filter) (Moved, error)

	// Hold keeps back what is open, for a reason, until Release. A lane waits for
	// a held head.
	Hold(ctx context.Context, now time.Time, f Filter, reason string) (Moved, error)

	// Release lets go what Hold kept back. Its trial begins anew.
	Release(ctx context.Context, now time.Time, f Filter) (Moved, error)

	// Forget drops what is open for a recipient, and takes addresses, titles and
	// bodies out of all messages to it that have ended. The ledger keeps counting
	// them. A request of theirs is never sent again, whoever retries its message.
	Forget(ctx context.Context, now time.Time, recipient string) (Moved, error)

	// Stats is the ledger, by route.
	Stats(ctx context.Context) ([]RouteStats, error)

	Close() error
}

// RetryOptions say how to retry. The zero value changes nothing.
type RetryOptions struct {
	// Anew has each request sent under a new local_id, of NewLocalID. What may
	// have been sent can then arrive twice. It takes flagged requests along.
	Anew       bool
	NewLocalID func() string

	// Route moves requests to a route, of this Team and Inbox, those of the route
	// itself that are for another inbox included. One that comes into another scope
	// opens a new conversation. "" moves nothing.
	Route string
	Team  string
	Inbox int64
}

// Moved counts what a verb did.
type Moved struct {
	Requests  int `json:"requests"`
	MaybeSent int `json:"maybe_sent"` // those of them whose outcome is unknown
	Busy      int `json:"busy"`       // left out, for their call is under way
}

// RouteStats is the ledger of one route: everything ever accepted, by where it
// stands now.
type RouteStats struct {
	Route    string         `json:"route"`
	Accepted int            `json:"accepted"` // the sum
	States   map[string]int `json:"states"`
}
