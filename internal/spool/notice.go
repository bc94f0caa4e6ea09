package spool

import (
	"context"
	"slices"
	"time"
)

// Way is how a notice leaves.
type Way int8

// The ways, as the schema stores them.
const (
	Mail Way = iota // a delivery status notification to the sender (RFC 3464)
	Hook            // an event to the operator's webhook
)

// Action is what a report says of its recipients (RFC 3464, section 2.3.3).
type Action string

// The actions that a relay can report. What the API took was handed to a system
// that reports nothing: relayed, not delivered (RFC 3461, section 5.2.3).
const (
	FailedAction  Action = "failed"
	DelayedAction Action = "delayed"
	RelayedAction Action = "relayed"
)

// What a client can ask to be told of (RFC 3461, section 4.1).
const (
	NotifyNever   = "NEVER"
	NotifySuccess = "SUCCESS"
	NotifyFailure = "FAILURE"
	NotifyDelay   = "DELAY"
)

// DSN is what a client asked for about one recipient. The zero value is a client
// that asked for nothing.
type DSN struct {
	Notify   []string `json:"notify,omitempty"` // RFC 3461, section 4.1
	Original string   `json:"orcpt,omitempty"`  // ORCPT as "rfc822;a@example.com" (RFC 3461, section 4.2)
}

// Wants reports whether the sender is to be told of what: one of NotifySuccess,
// NotifyFailure and NotifyDelay. Who did not say is told of failures alone
// (RFC 3461, section 5.2.1).
func (d DSN) Wants(what string) bool {
	if d.Notify == nil {
		return what == NotifyFailure
	}
	return slices.Contains(d.Notify, what)
}

// Notice is what somebody outside is to be told. It is stored in the transaction
// that made it true, so that no crash swallows it, and kept until it was told.
type Notice struct {
	ID       int64
	Way      Way
	Happened time.Time
	Tries    int     // attempts to tell it that failed
	Event    []byte  // of Hook: the JSON to post
	Report   *Report // of Mail
}

// Report is what a delivery status notification about one request is made of.
type Report struct {
	Action     Action
	QueueID    string
	LocalID    string
	Accepted   time.Time
	Sender     string // whom it goes to, never ""
	EnvelopeID string // ENVID, decoded; "" where the client gave none (RFC 3461, section 4.4)
	Return     string // FULL or HDRS; "" where the client did not say (RFC 3461, section 4.3)
	Title      string
	Raw        []byte // as received; nil where it is not kept any more
	Recipients []ReportRecipient

	Reason  string    // the last attempt's, for people
	Status  int       // its HTTP status
	APIID   string    // its X-Request-Id
	Tried   time.Time // when it began
	Until   time.Time // of DelayedAction: when it will be given up; zero where nobody knows
	Unknown bool      // the message may have been delivered all the same
}

// ReportRecipient is one recipient of the request that a report is about.
type ReportRecipient struct {
	Address string // as in the envelope
	DSN
}

// Notices is what tells them. Several may ask at once.
type Notices interface {
	// Notices takes up to limit notices of a way that are due, oldest first. They are due
	// again at now+lease, unless it is said before what became of them. next is when there
	// may be more without anything else happening; zero if never.
	Notices(ctx context.Context, now time.Time, lease time.Duration, way Way, limit int) (due []Notice, next time.Time, err error)

	// Done ends a notice: it was told, or never will be.
	Done(ctx context.Context, id int64) error

	// Defer has a notice that could not be told be due again at a time, and counts the attempt.
	Defer(ctx context.Context, id int64, due time.Time) error
}
