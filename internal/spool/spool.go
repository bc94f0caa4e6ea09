// Package spool says what is kept between the 250 to an application and the
// answer of the API, and what can be done with it.
//
// A Message is one accepted SMTP transaction. It holds one Request for its
// visible recipients and one for each blind one. A request belongs to exactly
// one conversation, and a conversation is a lane: its requests go out one at a
// time, in the order accepted. The verbs of [Store] are whole steps of a
// request's life: each is atomic, and durable when it returns nil.
package spool

import (
	"context"
	"errors"
	"time"
)

// Errors that a store returns, to be compared with errors.Is.
var (
	ErrFull     = errors.New("the spool has no room")                      // out of space, or under spool.min_free
	ErrReadOnly = errors.New("the spool cannot be written")                // read-only or failing medium
	ErrInUse    = errors.New("the spool is in use")                        // another process holds it
	ErrNotFound = errors.New("no such message in the spool")               // a queue id that it does not know
	ErrLost     = errors.New("the claim is no longer ours")                // the attempt has ended, or another has begun since
	ErrCorrupt  = errors.New("the spool is damaged")                       // what Check finds, or the medium gives back
	ErrReplaced = errors.New("the spool's files were removed or replaced") // while it was open
	ErrPanic    = errors.New("a defect of heyrelay: panic")                // in the verb, which changed nothing
	ErrClosed   = errors.New("the spool is closed")                        // the verb came after Close
	ErrKey      = errors.New("the key is of other content")                // a message's key was given to another one
	ErrConvo    = errors.New("the convo_id is of others")                  // a request names a conversation of other participants, or of another inbox
)

// Store is the spool. Its methods may be called from many goroutines. A verb that
// has not begun is given up when its context ends; one that has begun returns
// what came of it. What a verb is given it reads until it returns, and never
// changes; what it returns is the caller's.
type Store interface {
	// Accept stores m: it finds the message that m repeats, or else finds or
	// opens the conversation of each request, records the requests' keys and
	// queues them. A repeat changes nothing, save that requests of the first
	// message which had failed or were dropped are queued again, at the end of
	// their lanes. A lane that automatic replies go round in is held, as an operator
	// would. The error is ErrKey where m's key stands for other content, ErrConvo
	// where a request names a conversation that is not its, ErrFull or ErrReadOnly
	// where the medium refuses, and ErrCorrupt once any verb has found damage: who
	// has the mail still keeps it.
	Accept(ctx context.Context, m *Message) (Receipt, error)

	// ConfirmReply says that the client surely got its 250: a message without a
	// Message-ID that comes again is from now on another message. ErrNotFound.
	ConfirmReply(ctx context.Context, queueID string) error

	// Claim begins as many calls as rooms and budgets allow. In one transaction
	// it spends the budget, marks the request claimed until now+lease, fixes
	// whether it opens or replies, and writes down the attempt. What slept and is
	// due, and what was claimed by somebody whose lease has run out, is ready
	// again first. next is when Claim may have more to give without anything else
	// happening; zero if never.
	Claim(ctx context.Context, now time.Time, lease time.Duration, rooms ...Capacity) (tasks []Task, next time.Time, err error)

	// Finish records the answers to claimed tasks and lets each lane go on, all or
	// none. The results stand in the order of outcomes; one whose claim was lost changed
	// nothing and has Err = ErrLost. An outcome that breaks a rule of its fields is an error.
	Finish(ctx context.Context, now time.Time, outcomes ...Outcome) ([]Finished, error)

	// Unclaim gives back tasks that never reached the network, as if they had
	// not been claimed. Spent budget stays spent.
	Unclaim(ctx context.Context, tasks ...Task) error

	// Reserve takes one call beyond those of a claim, such as a page of a search or
	// a probe, from a team's budget of rate calls a minute. It may be made from begin
	// on; Claim has one call less to give.
	Reserve(ctx context.Context, now time.Time, team string, rate int) (begin time.Time, err error)

	// Wait returns when all requests of a message have ended, or else when ctx
	// ends, and says where each stands then. ErrNotFound.
	Wait(ctx context.Context, queueID string) ([]RequestStatus, error)

	// SuppressReports says that the client was told in the reply what became of a
	// message: no report about it leaves any more.
	SuppressReports(ctx context.Context, queueID string) error

	// Hold shuts a gate: of what is held there nothing is claimed, save probes.
	// A hold that stands already keeps its Since and takes over the rest. event, if
	// not nil, becomes a notice.
	Hold(ctx context.Context, now time.Time, g Hold, event []byte) error

	// Release opens the gate of a place, and what slept behind it is due at once: woken
	// says how much, which is 0 where nothing was held. What waited there is under
	// trial only from now on. event, if not nil, becomes a notice, where there was a hold.
	Release(ctx context.Context, now time.Time, at Destination, event []byte) (woken int, err error)

	// StepAside has the heads of a held destination leave lanes in which requests of
	// another destination are queued, now and until the hold ends: they go on alone.
	StepAside(ctx context.Context, at Destination) error

	// Throttle takes into account that a call of a team was answered 429: nothing is
	// claimed of it for a while, and then at a slower pace. It returns what holds now.
	Throttle(ctx context.Context, now time.Time, team string, answer TooMany) (Throttle, error)

	// Throttled returns what earlier answers 429 say about a team's pace.
	Throttled(ctx context.Context, team string) (Throttle, error)

	// AddEvent makes an event a notice.
	AddEvent(ctx context.Context, now time.Time, event []byte) error

	Notices

	// MakeDue makes everything of a team that sleeps due at once, and says how much it was.
	MakeDue(ctx context.Context, now time.Time, team string) (woken int, err error)

	// ClockChanged says that the clock was set, and is now at now: what sleeps of a team and
	// the probes of its routes are due at once, and what waits is under trial only from now on,
	// so that nothing ends or waits because of a time that never passed.
	ClockChanged(ctx context.Context, now time.Time, team string) (woken int, err error)

	// Holds returns the holds there are.
	Holds(ctx context.Context) ([]Hold, error)

	// Destinations returns where something is open, each place once. It costs by the
	// places, however much waits there.
	Destinations(ctx context.Context) ([]Destination, error)

	// Backlog says how much is open, and since when the oldest of it is: zero where
	// nothing is. It costs by the places, too.
	Backlog(ctx context.Context) (waiting int, oldest time.Time, err error)

	// Stats returns the ledger, by route.
	Stats(ctx context.Context) ([]RouteStats, error)

	// Prune takes out what need not be kept any more. Each call looks at no more
	// than limit messages, ids or conversations, and returns at how many; 0 says
	// that a round is over, and that the next may wait.
	Prune(ctx context.Context, now time.Time, keep Retention, limit int) (n int, err error)

	// ChangedExternally reports whether another process has changed the spool since it was
	// asked last: Claim may have more to give. It is cheap.
	ChangedExternally(ctx context.Context) (bool, error)

	// Ping returns the error with which Accept would refuse every message now: ErrFull,
	// ErrReadOnly, ErrReplaced, ErrCorrupt or ErrClosed. It writes, and waits for the disk.
	Ping(ctx context.Context) error

	// Check looks for contradictions that the schema cannot exclude, and returns
	// them as one error that is ErrCorrupt.
	Check(ctx context.Context) error

	Close() error
}

// Reader reads the spool without disturbing it.
type Reader interface {
	// List returns the requests that match, newest first.
	List(ctx context.Context, f Filter) ([]Entry, error)
	// Show returns the whole story of one message; ErrNotFound.
	Show(ctx context.Context, queueID string) (MessageDetail, error)
	// Holds returns what is held, in the order of teams and routes.
	Holds(ctx context.Context) ([]Hold, error)
}

// Priority is a class of urgency. The smaller goes first.
type Priority int8

// The priorities, as the schema stores them.
const (
	High Priority = iota
	Normal
	Bulk
)

// State is where a request stands in its life.
type State int8

// The states, as the schema stores them. Up to Held a request is open; a lane
// has exactly one open request that is not Queued, its head.
const (
	Queued   State = iota // behind the head of its lane
	Ready                 // head of its lane, waits for budget and room
	Deferred              // tried, to be tried again at its due time
	Active                // a call is under way until the lease ends
	Held                  // waits for an operator or a probe
	Sent                  // the API took it
	Flagged               // the API took it but says that it did not queue it
	Failed                // for good
	Dropped               // by an operator
)

// Call is what an attempt asks of the API.
type Call int8

// The calls, as the schema stores them.
const (
	Send              Call = iota // POST /v1/email/send
	CheckConversation             // GET /v1/conversations/{id}: does the conversation that it replies to still stand?
	FindMessage                   // POST /v1/messages/all: did a send of unknown outcome arrive?
)

// Open reports whether the request still waits for its end.
func (s State) Open() bool { return s <= Held }

// Key stands for one message id within a scope and a set of participants.
type Key [16]byte

// Fingerprint is what two copies of one transaction have in common.
type Fingerprint [32]byte

// Message is an accepted transaction, as Accept stores it.
type Message struct {
	QueueID     string
	Accepted    time.Time
	Client      string // the authenticated user, or the address, for people
	Sender      string // envelope sender, "" for <>
	Route       string
	Team        string
	Inbox       int64
	Title       string // conv_title
	BaseSubject string // the Subject without Re: and tags, compared with the conversation's (RFC 5256, section 2.1)

	Fingerprint     Fingerprint
	DuplicateSince  time.Time // an equal fingerprint accepted at or after this is the same message; zero: none is
	WeakFingerprint bool      // it has no Message-ID: its fingerprint counts only until ConfirmReply

	// ContentDigest is given where Fingerprint stands for a key of the application: it is
	// that of the content, which a message with an equal key must have too.
	ContentDigest Fingerprint

	HTML          string
	SubjectOffset int // offset in HTML for a line before all others
	Text          string
	Raw           []byte // as received
	Warnings      []byte // JSON, for people; nil for none

	AutoReplied bool // over LoopLimit of these to the same participants hold their lane

	EnvelopeID   string    // ENVID, decoded (RFC 3461, section 4.4); "" for none
	Return       string    // FULL or HDRS (RFC 3461, section 4.3); "" where the client did not say
	ReportsAfter time.Time // no report leaves before: the client may still be told in the reply; zero: at once

	Requests []Request
}

// Request is one POST to come.
type Request struct {
	LocalID      string   // idempotency key of the API, the same over all attempts
	To, Cc       []string // as spelt in the envelope
	Participants string   // canonical form of all of them: equal for equal sets
	Priority     Priority
	Subject      SubjectLine
	DSN          []DSN // what the client asked for about each of To, then Cc; nil: nothing

	// ConvoID is the conversation that the application named, 0 for none. It decides
	// instead of Lookup. One that is not known is looked at before the first send, and
	// known when the answer of that gives it.
	ConvoID int64

	Lookup      []Key    // where to look for its conversation, best first; nil: open a new one
	LookupNames []string // of Lookup, or of ConvoID, for people: which field named which id; nil: nothing is told
	Own         []Key    // ids that stand for this message
	Cited       []Key    // ids that it names, recorded only where nobody has them
}

// SubjectLine says when the bodies of a message that joins a conversation begin
// with its Subject, for which a reply through the API has no field.
type SubjectLine int8

// The rules of config's reply_subject.
const (
	SubjectChanged SubjectLine = iota // where BaseSubject differs from the conversation's
	SubjectAlways
	SubjectNever
)

// Receipt is what became of an accepted message.
type Receipt struct {
	QueueID   string // the first one's, where Duplicate
	Duplicate bool
	Revived   int   // requests of a duplicate that were queued again
	Joined    []int // for each request the index in Lookup that found its conversation, 0 where its ConvoID did, -1 for a new one
	SameID    bool  // one of its own ids is already owned by an earlier message
	Looping   bool  // a lane of it is held from now on, for LoopReason
}

// More automatic replies than LoopLimit to the same participants, from one inbox
// and within LoopSpan, are taken for two machines that answer each other.
const (
	LoopLimit  = 20
	LoopSpan   = time.Hour
	LoopReason = "more than 20 automatic replies within an hour to the same participants look like a loop: end it, then let them go or drop them (heyrelay queue release, or drop, --recipient ADDRESS)"
)

// Capacity is what a team may begin now.
type Capacity struct {
	Team string
	Rate int // calls a minute
	Free int // calls that may begin, of any class
	High int // calls that may begin beyond Free, of class High only

	TryHeld  bool          // these calls may begin though the team is held
	Searches int           // how many of these calls may be a FindMessage
	Memory   time.Duration // age of the first of a task's Sends from which it is a FindMessage before it is a Send again; 0: never

	Probe time.Duration // between two probes of a held route; 0: none
}

// Retention says how long what has ended is kept, from its end on.
type Retention struct {
	Content time.Duration // bodies of messages that were sent
	Sent    time.Duration // what happened to them
	Failed  time.Duration // messages of which a request failed or was dropped, whole
	Threads time.Duration // ids and conversations, from their last message on
	Repeats time.Duration // what may be repeated, from its acceptance on, whatever the others say

	Ways []Way // a message is kept, with its content, until its notices of these ways have left
}

// Destination is where a request waits: what a route has for an inbox of a team.
type Destination struct {
	Team, Route string
	Inbox       int64
}

// Hold is a hold.
type Hold struct {
	Team   string    `json:"team"`
	Route  string    `json:"route,omitempty"` // "" for the whole team
	Inbox  int64     `json:"inbox,omitempty"` // of the route, only what goes there; 0 for all
	Reason string    `json:"reason"`          // for people
	Since  time.Time `json:"since"`           // zero: now
	Probe  time.Time `json:"probe,omitzero"`  // when a held route gives one request to find out; zero: never. A team gives none, nor does one inbox of a route
}

// Destination is where g holds.
func (g Hold) Destination() Destination { return Destination{g.Team, g.Route, g.Inbox} }

// Task is one call of the API, claimed and to be made.
type Task struct {
	Request int64 // the request, and with Attempt the claim
	Attempt int   // counted from 1
	Call    Call  // what to call; each call costs one of the budget and is an attempt

	QueueID, LocalID    string
	Route, Team, Sender string
	Inbox               int64
	To, Cc              []string
	Title               string
	ConvoID             int64  // the conversation to reply to, or to check; 0: the request opens one
	Subject             string // a line "Subject: …" with this goes before both bodies; "" for none
	HTML, Text          string
	SubjectOffset       int // in HTML, of that line

	Accepted   time.Time
	TrialSince time.Time   // its first attempt, or the end of the last hold; of a probe: now
	Unknown    bool        // an earlier Send has no definite answer
	Sends      []time.Time // when each of these began, under LocalID and not proven absent, oldest first

	Refused           string    // reason of the newest definite refusal of a Send in this trial, "" for none
	RefusedStatus     int       // its HTTP status
	RouteRefusedAt    time.Time // newest refusal in this trial that the route may be to blame for; zero for none
	ConversationAlive bool      // a CheckConversation found the conversation since then
	ConvoConflict     bool      // its application named ConvoID, which is of other participants: not to be sent

	Probe      bool   // its route is held, and this call finds out whether it still must be
	Detached   bool   // it has left its conversation's lane for one of its own
	Unreadable string // why it could not be read, "" where it could: make no call; only its ids are set

	DSN     []DSN // what the client asked for about each of To, then Cc; nil: nothing
	Delayed bool  // its delay was reported
}

// Outcome is the end of a task.
type Outcome struct {
	Task     Task
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
	Status             int    // HTTP
	APIID              string // X-Request-Id
	Reason             string // for people

	Report Action    // report to the sender, "" for none; a delay only once
	Until  time.Time // of a delay: when the request expires
	Event  []byte    // for the operator's webhook, nil for none
}

// RequestStatus is where a request stands.
type RequestStatus struct {
	State              State
	Unknown            bool  // it may have been sent all the same
	ConvoID, MessageID int64 // as answered; 0 for none

	Status int // of the last attempt, with its X-Request-Id and reason
	APIID  string
	Reason string
}

// Finished is what Finish found.
type Finished struct {
	Err           error // ErrLost
	ConvoConflict bool  // the answered convo_id is held for other participants, and was not stored: of an opener or a reply
	Replaced      int64 // the convo_id that a reply's answer replaced, 0 for none
}

// Filter chooses requests. Zero fields do not restrict.
type Filter struct {
	QueueIDs  []string
	States    []State
	Route     string
	Recipient string    // equal to one of its addresses, letter case aside
	Before    time.Time // accepted before
	Limit     int       // of List; 0: 100
}

// Entry is one request in a list.
type Entry struct {
	QueueID  string    `json:"queue_id"`
	LocalID  string    `json:"local_id"`
	Accepted time.Time `json:"accepted"`
	State    string    `json:"state"`
	Unknown  bool      `json:"outcome_unknown,omitempty"`
	Route    string    `json:"route"`
	Sender   string    `json:"sender"`
	To       []string  `json:"to"`
	Cc       []string  `json:"cc,omitempty"`
	Title    string    `json:"title"`
	Attempts int       `json:"attempts"`
	Due      time.Time `json:"due,omitzero"`
	ConvoID  int64     `json:"convo_id,omitempty"`
	Reason   string    `json:"reason,omitempty"` // of the last attempt, or why it waits
}

// MessageDetail is all that is known of a message.
type MessageDetail struct {
	QueueID  string          `json:"queue_id"`
	Accepted time.Time       `json:"accepted"`
	Client   string          `json:"client"`
	Sender   string          `json:"sender"`
	Route    string          `json:"route"`
	Team     string          `json:"team"`
	Inbox    int64           `json:"inbox"`
	Title    string          `json:"title"`
	Warnings []byte          `json:"-"`
	Requests []RequestDetail `json:"requests"`
}

// RequestDetail is all that is known of a request.
type RequestDetail struct {
	Entry
	Priority     string          `json:"priority"`
	Conversation int64           `json:"conversation"` // our own number of it
	Joined       bool            `json:"joined"`
	By           string          `json:"joined_by,omitempty"` // the clue that found its conversation
	MessageID    int64           `json:"message_id,omitempty"`
	Tries        []AttemptDetail `json:"tries"`
}

// AttemptDetail is one attempt; Ended is zero while it runs or if nobody recorded
// its end.
type AttemptDetail struct {
	N       int       `json:"n"`
	Call    string    `json:"call"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	Unknown bool      `json:"outcome_unknown,omitempty"` // the message may have been sent
	Status  int       `json:"status,omitempty"`
	APIID   string    `json:"request_id,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}
