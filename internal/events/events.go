// Package events says once what happened; the log, the demo's live view and
// whatever else wants to know listen.
//
// A happening is one Event, made where it happens and handed to a Sink. What an
// event means and how it is worded stands here, so that log lines keep their
// names when the code around them moves.
package events

import "time"

// Kind says what happened.
type Kind string

// What can happen to a message, to a call of the API, and to the process.
const (
	Accepted  Kind = "accepted"  // stored durably, answered 250
	Duplicate Kind = "duplicate" // the application's own retry, answered 250 with the first queue id
	Refused   Kind = "refused"   // answered 4xx or 5xx
	Warned    Kind = "warned"    // something of a message was repaired, guessed or dropped
	Sent      Kind = "sent"      // the API took the request
	Flagged   Kind = "flagged"   // the API took the request but says that it did not queue it
	Deferred  Kind = "deferred"  // the attempt failed, the request will be tried again at Due
	Failed    Kind = "failed"    // the request failed for good
	Held      Kind = "held"      // a route or a team is kept back, or its breaker is open
	Released  Kind = "released"  // it is not any more
	Surprised Kind = "surprised" // the API answered in a way that is counted (another convo_id, a convo_id of others)
	Started   Kind = "started"   // the process serves
	Stopping  Kind = "stopping"  // the process drains
	Trouble   Kind = "trouble"   // something of ours went wrong
	Told      Kind = "told"      // a report left for the sender
	Backlog   Kind = "backlog"   // more is waiting than the operator wants
	Oldest    Kind = "oldest"    // something has waited for longer than the operator wants
)

// Event is one happening. Fields that do not apply are zero.
type Event struct {
	Kind    Kind
	Time    time.Time
	QueueID string        // of the message
	LocalID string        // of the request
	Client  string        // address or user the message came from
	Sender  string        // envelope sender
	To      []string      // recipients, as "to:a@example.com"
	Route   string        //
	Team    string        //
	Title   string        // of the message
	Convo   int64         // convo_id
	Message int64         // the API's id of the message
	Attempt int           // counted from 1
	Status  int           // HTTP status, or SMTP code of a refusal
	APIID   string        // X-Request-Id
	Size    int           // bytes of the raw message
	Took    time.Duration // of the call, or from 250 to the answer
	Due     time.Time     // of the next attempt
	Waiting int           // requests that wait
	Since   time.Time     // when what goes on began: the acceptance of the oldest that waits
	Reason  string        // what an operator can act on
	Err     error         // the cause, for the log alone
}

// Sink is told what happens. Record must not block for long and may be called
// from many goroutines.
type Sink interface{ Record(Event) }

// Sinks tells each of several in turn.
type Sinks []Sink

// Record implements Sink.
func (s Sinks) Record(e Event) {
	for _, sink := range s {
		sink.Record(e)
	}
}
