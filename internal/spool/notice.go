package spool

import (
	"cmp"
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

// Action is what a report states about its recipients (RFC 3464, section 2.3.3).
type Action string

// The actions that a relay can report. What the API accepted was handed to a system
// that reports nothing: relayed, not delivered (RFC 3461, section 5.2.3).
const (
	FailedAction  Action = "failed"
	DelayedAction Action = "delayed"
	RelayedAction Action = "relayed"
)

// What a client can request reports of (RFC 3461, section 4.1).
const (
	NotifyNever   = "NEVER"
	NotifySuccess = "SUCCESS"
	NotifyFailure = "FAILURE"
	NotifyDelay   = "DELAY"
)

// DSN is what a client requested about one recipient. The zero value requests
// nothing.
type DSN struct {
	Notify   []string `json:"notify,omitempty"` // RFC 3461, section 4.1
	Original string   `json:"orcpt,omitempty"`  // ORCPT as "rfc822;a@example.com" (RFC 3461, section 4.2)
}

// Wants reports whether the sender wants a report of what: one of NotifySuccess,
// NotifyFailure and NotifyDelay. A client that did not choose wants failures alone
// (RFC 3461, section 5.2.1).
func (d DSN) Wants(what string) bool {
	if d.Notify == nil {
		return what == NotifyFailure
	}
	return slices.Contains(d.Notify, what)
}

// And returns what two requests about one recipient come to: every report that either
// wants, and the original recipient of the first that has one. RFC 3461 leaves two RCPT
// commands for one recipient open.
func (d DSN) And(other DSN) DSN {
	both := DSN{Original: cmp.Or(d.Original, other.Original)}
	if d.Notify == nil && other.Notify == nil {
		return both
	}
	for _, what := range []string{NotifySuccess, NotifyFailure, NotifyDelay} {
		if d.Wants(what) || other.Wants(what) {
			both.Notify = append(both.Notify, what)
		}
	}
	if both.Notify == nil {
		both.Notify = []string{NotifyNever}
	}
	return both
}

// Notice is a report or an event to be delivered. It is stored in the transaction
// that made it true, so that no crash loses it, and kept until it is delivered.
type Notice struct {
	ID       int64
	Way      Way
	Happened time.Time
	Tries    int     // failed attempts to deliver it
	Event    []byte  // of Hook: the JSON to post
	Report   *Report // of Mail

	Unreadable error // why the report could not be read, nil where it could: it is not delivered
}

// Report is the content of a delivery status notification about one request.
type Report struct {
	Action     Action
	QueueID    string
	LocalID    string
	Accepted   time.Time
	Sender     string // the recipient of the report, never ""
	EnvelopeID string // ENVID, decoded; "" where the client gave none (RFC 3461, section 4.4)
	Return     string // FULL or HDRS; "" where the client did not choose (RFC 3461, section 4.3)
	Title      string
	Raw        []byte // as received; nil if it is not kept any longer
	Recipients []ReportRecipient

	Smarthost bool // a smarthost was to deliver the message, not the API

	Reason  string    // of the last attempt, for people
	Status  int       // its HTTP status, or the code of the smarthost's reply
	APIID   string    // its X-Request-Id
	Tried   time.Time // when it began
	Until   time.Time // of DelayedAction: when the request expires; zero if unknown
	Unknown bool      // the message may have been delivered
}

// ReportRecipient is one recipient of the request that a report is about.
type ReportRecipient struct {
	Address string // as in the envelope
	DSN
}

// Notices are delivered by several callers at once.
type Notices interface {
	// Notices takes up to limit notices of a way that are due, oldest first. They are due
	// again at now+lease, unless Done or Defer is called before. next is when there may be
	// more without anything else happening; zero if never.
	Notices(
		ctx context.Context, now time.Time, lease time.Duration, way Way, limit int,
	) (due []Notice, next time.Time, err error)

	// Done deletes a notice: it was delivered, or is given up.
	Done(ctx context.Context, id int64) error

	// Defer makes a notice due again at a time, and counts a failed attempt.
	Defer(ctx context.Context, id int64, due time.Time) error
}
