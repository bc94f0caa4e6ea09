// Package spool defines what is stored between the 250 to an application and the
// answer of the API, and what can be done with it.
//
// A Message is one accepted SMTP transaction. It has one Request for its visible
// recipients and one for each blind one. A request belongs to exactly one
// conversation, and a conversation is a lane: its requests are sent one at a time, in
// the order accepted. The verbs of [Store] are whole steps in the life of a request:
// each is atomic, and durable when it returns nil.
package spool

import (
	"context"
	"errors"
	"time"
)

// Errors that a store returns, to be compared with errors.Is.
var (
	ErrFull     = errors.New("the spool has no space left")                // out of space, or below spool.min_free
	ErrReadOnly = errors.New("the spool cannot be written")                // read-only or failing medium
	ErrInUse    = errors.New("the spool is in use")                        // another process has it open
	ErrNotFound = errors.New("no such message in the spool")               // unknown queue id or conversation
	ErrLost     = errors.New("the claim was lost")                         // the attempt has ended, or another has begun
	ErrCorrupt  = errors.New("the spool is damaged")                       // found by Check, or by reading
	ErrReplaced = errors.New("the spool's files were removed or replaced") // while it was open
	ErrPanic    = errors.New("a bug in heyrelay: panic")                   // in the verb, which changed nothing
	ErrClosed   = errors.New("the spool is closed")                        // the verb came after Close
	ErrKey      = errors.New("the key belongs to other content")           // the key of a message was used before
	ErrConvo    = errors.New("the convo_id belongs to others")             // to other participants, or another inbox
)

// Store is the spool. Its methods may be called by many goroutines. A verb that has
// not begun is given up when its context ends; one that has begun returns its result.
// A verb reads its arguments until it returns, and never changes them; its results
// belong to the caller.
type Store interface {
	Reception
	Delivery
	Notices
	Files
	Maintenance

	// Commits counts the commits since the store was opened.
	Commits() Commits

	// Failed returns a channel that gets an error, once, when the medium has failed such that nothing more is
	// accepted or recorded until the store is opened again. What runs on the store must end then.
	Failed() <-chan error

	Close() error
}

// Reception stores messages, and returns their outcome.
type Reception interface {
	// Accept stores m: it finds the message that m repeats, or else finds or opens
	// the conversation of each request, records the requests' keys and queues them. A
	// repeat changes nothing, except that requests of the first message that failed or
	// were dropped are queued again, at the end of their lanes, unless m is shadowed. A lane in which
	// automatic replies loop is held, as by an operator. Of m's files, the receipt names
	// those of which the route has the same octets already, and all of a repeat. The error is ErrKey where m's
	// key belongs to other content, ErrConvo where a request names a conversation of
	// others, ErrFull or ErrReadOnly where the medium refuses, and ErrCorrupt once any
	// verb has found damage: the client still has the message.
	Accept(ctx context.Context, m *Message) (Receipt, error)

	// ConfirmReply records that the client received its 250: from now on, an equal
	// message without a Message-ID is a new one. ErrNotFound.
	ConfirmReply(ctx context.Context, queueID string) error

	// Wait returns when all requests of a message have ended, or when ctx ends, with
	// the status of each. ErrNotFound.
	Wait(ctx context.Context, queueID string) ([]RequestStatus, error)

	// SuppressReports deletes the reports about a message, because the reply to the
	// client contained the outcome.
	SuppressReports(ctx context.Context, queueID string) error

	// ReleaseReports has the reports about a message leave now that ReportsAfter holds
	// back, because the reply to the client did not contain the outcome.
	ReleaseReports(ctx context.Context, now time.Time, queueID string) error

	// Ping returns the error with which Accept would refuse every message now: ErrFull,
	// ErrReadOnly, ErrReplaced, ErrCorrupt or ErrClosed. It writes, and waits for the disk.
	Ping(ctx context.Context) error
}

// Delivery hands out requests, records their outcomes, and holds what must not be sent.
type Delivery interface {
	// Claim begins as many calls as capacities and budgets allow. In one transaction
	// it spends the budget, marks the request active until now+lease, fixes whether it
	// opens or replies, and records the attempt. First, deferred requests that are due
	// and active ones whose lease has ended become ready. next is when Claim may have
	// more without anything else happening; zero if never.
	Claim(
		ctx context.Context, now time.Time, lease time.Duration, teams ...Capacity,
	) (tasks []*Task, next time.Time, err error)

	// Handed returns tasks that Accept has claimed: what is left of a Capacity that Lasts stands until the
	// next Claim, Turn or Withdraw, and a request that is accepted while nothing else of its team is
	// ready is claimed in that transaction, if Claim would claim it now. Its task is handed once. The
	// capacities of the next claim count all that was handed before. more reports whether Claim may
	// have more since the last call.
	Handed() (tasks []*Task, more bool)

	// Withdraw ends all that stands, and returns the last tasks that were handed.
	Withdraw(ctx context.Context) ([]*Task, error)

	// Turn is Finish and Claim in one transaction: what ends makes room. It claims only if something
	// has become ready since the last claim, by this process and not because it was due. Otherwise
	// Next is that of the outcomes alone, and that of the last claim still counts.
	Turn(ctx context.Context, now time.Time, outcomes []Outcome, lease time.Duration, teams ...Capacity) (Turned, error)

	// Finish records the outcomes of claimed tasks and lets each lane go on, all or
	// none. The results are in the order of outcomes; one whose claim was lost changed
	// nothing and has Err = ErrLost. An outcome whose fields contradict each other is an
	// error. After an error no claim of these tasks ends for a minute: who knows an outcome
	// brings it again by then, and its call must not be repeated meanwhile.
	Finish(ctx context.Context, now time.Time, outcomes ...Outcome) ([]Finished, error)

	// Unclaim gives back tasks that never reached the network, as if they had not been
	// claimed. Spent budget stays spent.
	Unclaim(ctx context.Context, tasks ...*Task) error

	// Reserve takes one call beyond those of a claim, such as a page of a search or a
	// probe, from a team's budget of rate calls a minute. It may be made from begin on.
	Reserve(ctx context.Context, now time.Time, team string, rate int) (begin time.Time, err error)

	// Throttle takes into account that a call of a team was answered 429: nothing of it
	// is claimed for a while, and then at a slower pace. It returns what applies now.
	Throttle(ctx context.Context, now time.Time, team string, answer TooMany) (Throttle, error)

	// Throttled returns what applies to a team since its last answer 429.
	Throttled(ctx context.Context, team string) (Throttle, error)

	// Hold holds a destination: nothing of it is claimed, except as a probe, or to search if the hold gives
	// probes. An existing hold keeps its Since and takes over the rest; one of an operator stays as it is.
	// event, if not nil, becomes a notice.
	Hold(ctx context.Context, now time.Time, h Hold, event []byte) error

	// Release ends the hold of a destination, unless it is an operator's. Its deferred requests become due, made is
	// their number, and the trial of its requests begins anew. event, if not nil,
	// becomes a notice. Without a hold, Release does nothing.
	Release(ctx context.Context, now time.Time, at Destination, event []byte) (made int, err error)

	// StepAside has the heads of a held route, or of what it has for one inbox, leave lanes in which requests of
	// another destination are queued, now and until the hold ends: they go on alone.
	StepAside(ctx context.Context, at Destination) error

	// MakeDue makes all deferred requests of a team due, and returns their number.
	MakeDue(ctx context.Context, now time.Time, team string) (made int, err error)

	// ClockChanged takes into account that the clock was set to now: the deferred
	// requests of a team and the probes of its routes become due, and the trial of its
	// requests begins anew, so that nothing expires or waits because of a time that
	// never passed. What is active, of whatever team, stays so until now+lease.
	ClockChanged(ctx context.Context, now time.Time, lease time.Duration, team string) (made int, err error)

	// Holds returns all holds, in the order of teams, routes and inboxes.
	Holds(ctx context.Context) ([]Hold, error)

	// Destinations returns the destinations that have open requests. Its cost depends
	// on the number of destinations, not on that of requests.
	Destinations(ctx context.Context) ([]Destination, error)

	// Sendable returns the destinations of a team that have a ready or deferred request: one that
	// neither a hold of its own nor its lane keeps back.
	Sendable(ctx context.Context, team string) ([]Destination, error)

	// Content returns what a message contains; ErrNotFound, also where its content was
	// removed.
	Content(ctx context.Context, queueID string) (Content, error)

	// AddEvent stores an event as a notice.
	AddEvent(ctx context.Context, now time.Time, event []byte) error

	// ChangedExternally reports whether another process has changed the spool since the
	// last call: Claim may have more. It is cheap.
	ChangedExternally(ctx context.Context) (bool, error)
}

// Maintenance keeps the spool small, and reports its state.
type Maintenance interface {
	// Backlog returns the number of open requests, and when the oldest was accepted;
	// zero if there is none. Its cost depends on the number of teams.
	Backlog(ctx context.Context) (open int, oldest time.Time, err error)

	// Stats returns the ledger, by route.
	Stats(ctx context.Context) ([]RouteStats, error)

	// FileStats counts objects and links. Its cost depends on the number of objects.
	FileStats(ctx context.Context, now time.Time) (FileStats, error)

	// Prune deletes what need not be kept any longer. Each call examines at most limit
	// messages, ids or conversations, and returns their number; 0 means that a round is
	// complete, and that the next can wait.
	Prune(ctx context.Context, now time.Time, keep Retention, limit int) (n int, err error)

	// Check searches for contradictions that the schema cannot exclude, and returns
	// them as one error that is ErrCorrupt.
	Check(ctx context.Context) error
}

// Reader reads the spool without disturbing it.
type Reader interface {
	// List returns the requests that match, however long it takes to find them.
	List(ctx context.Context, f Filter) ([]Entry, error)
	// Search returns a page of the requests that match. It takes about as long with a
	// million requests as with a thousand.
	Search(ctx context.Context, f Filter) (Page, error)
	// Count returns how many requests match, however long it takes. Limit, Older and Newer
	// do not count.
	Count(ctx context.Context, f Filter) (int, error)
	// Show returns everything about one message; ErrNotFound.
	Show(ctx context.Context, queueID string) (MessageDetail, error)
	// Content returns what a message contains; ErrNotFound, also where its content was
	// removed.
	Content(ctx context.Context, queueID string) (Content, error)
	// PendingNotices returns the reports and events that have not been delivered, the
	// next one first. Of the filter only Route, Before and Limit count.
	PendingNotices(ctx context.Context, f Filter) ([]PendingNotice, error)
	// Holds returns all holds, in the order of teams, routes and inboxes.
	Holds(ctx context.Context) ([]Hold, error)
	// Oldest returns the request that has been pending longest. found is false if none is
	// pending.
	Oldest(ctx context.Context) (e Entry, found bool, err error)
	// Conversation returns a conversation by our own number of it, and up to limit of its
	// requests, newest first: those with a Number below, or the last ones where that is 0.
	// ErrNotFound.
	Conversation(ctx context.Context, id, below int64, limit int) (Conversation, []Letter, error)
	// Sends returns what the API gets of each request of a message, as it was sent last or
	// would be sent now. Of a Task, only the ids, the recipients and the content are set. A
	// shadowed reply to a conversation without a convo_id has neither recipients nor a
	// title: the API would get the convo_id, which nobody knows.
	// ErrNotFound, also where the content was removed.
	Sends(ctx context.Context, queueID string) ([]*Task, error)

	// Attachments returns a page of the attachments that match. They can outlive their
	// message.
	Attachments(ctx context.Context, f AttachmentFilter) (AttachmentPage, error)
}

// Priority is a class of urgency. The smaller goes first.
type Priority int8

// The priorities, as the schema stores them.
const (
	High Priority = iota
	Normal
	Bulk
)

// State is the state of a request.
type State int8

// The states, as the schema stores them. Up to Held a request is open. A lane has
// exactly one open request that is not Queued, its head.
const (
	Queued   State = iota // behind the head of its lane
	Ready                 // head of its lane, to be claimed as budget and concurrency allow
	Deferred              // an attempt failed, the next is at its due time
	Active                // a call is being made, until the lease ends
	Held                  // until an operator releases it; lists show as Held what any hold keeps back
	Sent                  // the API accepted it
	Flagged               // the API accepted it, but did not queue it
	Failed                // permanently
	Dropped               // by an operator
	Shadowed              // passed on to another server, never to be sent: a record of what would have been
)

// Open reports whether the request has not ended.
func (s State) Open() bool { return s <= Held }

// Call is a call of the API.
type Call int8

// The calls, as the schema stores them.
const (
	Send              Call = iota // POST /v1/email/send
	CheckConversation             // GET /v1/conversations/{id}: does the conversation to reply to still exist?
	FindMessage                   // POST /v1/messages/all: did a send of unknown outcome arrive?
)
