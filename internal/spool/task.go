package spool

import (
	"fmt"
	"time"
)

// Capacity is what a team may begin now.
type Capacity struct {
	Team string
	Rate int // calls a minute
	Free int // calls that may begin, of any class
	High int // calls that may begin beyond Free, of class High only

	TryHeld  bool          // they may begin though the team is held, a FindMessage after all others
	Searches int           // how many of them may be a FindMessage
	Memory   time.Duration // age of the first of Task.Sends from which a FindMessage comes first; 0: never
	Probe    time.Duration // between two probes of a held route; 0: none
	Bodies   int64         // octets that the bodies of all may have, but for the last that begins; 0: any number

	Lasts bool // what is left of it is for what Accept stores, until the next claim: see Delivery.Handed
}

// Spend reduces what bodies may have by those of a task that begins. Nothing more may begin once it
// is used up.
func (c *Capacity) Spend(bodies int64) {
	if c.Bodies == 0 {
		return
	}
	c.Bodies -= bodies
	if c.Bodies <= 0 {
		c.Bodies = 0
		c.Free = 0
		c.High = 0
	}
}

// Destination is what a route sends to one inbox of a team.
type Destination struct {
	Team, Route string
	Inbox       int64
}

// Name is what people read: "team shop", "route orders", "route orders to inbox 202" or
// "smarthost of route orders".
func (d Destination) Name() string {
	if route, ok := SmarthostRoute(d.Team); ok {
		return "smarthost of route " + route
	}
	name := "team " + d.Team
	if d.Route != "" {
		name = "route " + d.Route
	}
	if d.Inbox != 0 {
		name += fmt.Sprintf(" to inbox %d", d.Inbox)
	}
	return name
}

// Task is one call of the API, or one transaction with a smarthost, claimed and to be made. It does not
// change any more.
type Task struct {
	Request int64 // the request, and with Attempt the claim
	Attempt int   // counted from 1
	Call    Call  // what to call; each call costs one of the budget and is an attempt

	QueueID, LocalID    string
	Route, Team, Sender string
	Inbox               int64
	To, Cc              []string
	Participants        string // To and Cc in canonical form, see Request
	Title               string
	ConvoID             int64  // the conversation to reply to, or to check; 0: the request opens one
	Subject             string // a line "Subject: …" with this goes before both bodies; "" for none
	HTML, Text          string
	SubjectOffset       int // in HTML, of that line

	Accepted   time.Time
	TrialSince time.Time   // its first attempt, or the end of the last hold; of what is called on a held route: now
	Unknown    bool        // an earlier Send has no definite answer
	Sends      []time.Time // when each of these began, under LocalID and not proven absent, oldest first
	Restored   bool        // from a backup: others may have begun between the first and the last of Sends

	Refused           string    // reason of the newest definite refusal of a Send in this trial, "" for none
	RefusedStatus     int       // its HTTP status
	RefusedAPIID      string    // its X-Request-Id
	RouteRefusedAt    time.Time // newest refusal in this trial that the route may be to blame for; zero for none
	ConversationAlive bool      // a CheckConversation found the conversation since then
	Named             bool      // its application named ConvoID
	ConvoConflict     bool      // so it did, and that is of other participants: not to be sent

	Probe      bool  // its route is held, and this call finds out whether it still must be
	Detached   bool  // it has left its conversation's lane for one of its own
	Unreadable error // why it could not be read, nil where it could: make no call; only its ids are set

	DSN     []DSN // what the client asked for about each of To, then Cc; nil: nothing
	Delayed bool  // its delay was reported

	EnvelopeID string // see Message
	Return     string // see Message
}

// Bodies returns the length of both bodies, in octets.
func (t *Task) Bodies() int64 { return int64(len(t.HTML) + len(t.Text)) }

// Outcome is the end of a task.
type Outcome struct {
	Task     *Task
	State    State     // Sent, Flagged, Failed, or Deferred to try again
	Due      time.Time // of the next attempt, for Deferred
	NextCall Call      // what that attempt calls, for Deferred

	Unknown           bool // this Send may have been carried out
	ProvenAbsent      bool // a complete search found none of Task.Sends: none of their outcomes is unknown any more
	Refused           bool // Status and Reason are a definite refusal, kept with the request
	RouteRefused      bool // the route may be to blame for it: other requests probe the route first
	ConversationAlive bool // the conversation was found, kept with the request

	// Reopen, for Deferred, reports that the conversation is gone. It forgets its
	// convo_id, if that is still the one replied to, and the request goes out once
	// more under the new LocalID; refusals are forgotten. Whether it then opens or
	// replies is decided anew by the claim, since another request may have opened by
	// then. Not while an outcome is unknown.
	Reopen  bool
	LocalID string

	// Detach, for Deferred, has the request leave its lane, which goes on without it.
	Detach bool

	ConvoID, MessageID int64  // as answered; 0 for none
	Status             int    // HTTP, or the code of a smarthost's reply
	APIID              string // X-Request-Id
	Reason             string // for people

	Report Action    // report to the sender, "" for none; a delay only once
	Until  time.Time // of a delay: when the request expires
	Event  []byte    // for the operator's webhook, nil for none
}

// RequestStatus is the status of a request.
type RequestStatus struct {
	State              State
	Unknown            bool  // it may have been sent
	ConvoID, MessageID int64 // as answered; 0 for none

	Status int // of the last attempt, with its X-Request-Id and reason
	APIID  string
	Reason string
}

// Turned is the result of Turn: those of Finish and of Claim.
type Turned struct {
	Ended []Finished
	Tasks []*Task
	Next  time.Time
}

// Finished is the result of Finish for one outcome.
type Finished struct {
	Err           error // ErrLost
	ConvoConflict bool  // the answered convo_id belongs to other participants, and was not stored
	Replaced      int64 // the convo_id that a reply's answer replaced, 0 for none
}
