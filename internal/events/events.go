// Package events defines what heyrelay records: each thing that happens is one
// Event, made where it happens and handed to a Sink. The log, the demo's live view,
// the webhook and the metrics are sinks.
//
// The names of events and of their fields are defined here, so that log lines keep
// their form when the code around them changes.
package events

import "time"

// Kind says what happened.
type Kind string

// What can happen to a message, to a call of the API, and to the process.
const (
	Accepted  Kind = "accepted"  // stored durably, answered 250
	Duplicate Kind = "duplicate" // the application's own retry, answered 250 with the first queue id
	Shadowed  Kind = "shadowed"  // passed on to the next hop, which accepted it; recorded, not to be sent
	Refused   Kind = "refused"   // answered 4xx or 5xx
	Lost      Kind = "lost"      // the client closed the connection within a message, which was not accepted
	Warned    Kind = "warned"    // part of a message was repaired, guessed or dropped
	Sent      Kind = "sent"      // the API accepted the request
	Flagged   Kind = "flagged"   // the API accepted the request, but did not queue it
	Deferred  Kind = "deferred"  // the attempt failed, the request will be tried again at Due
	Failed    Kind = "failed"    // the request failed permanently
	Held      Kind = "held"      // a route or a team is on hold, or its breaker is open
	Released  Kind = "released"  // the hold has ended
	Anomaly   Kind = "anomaly"   // something unexpected that is counted, such as another convo_id in the API's answer
	Listening Kind = "listening" // a listener serves on Address
	Detail    Kind = "detail"    // explains other events, such as a rewritten command line; level debug
	Reloaded  Kind = "reloaded"  // the configuration or secrets were read again
	Stopping  Kind = "stopping"  // the process begins to shut down
	Stopped   Kind = "stopped"   // the process has shut down
	Error     Kind = "error"     // an error of heyrelay itself or its host
	Reported  Kind = "reported"  // a report was sent to the sender
	Backlog   Kind = "backlog"   // more requests are pending than events.backlog allows
	Oldest    Kind = "oldest"    // a request has been pending for longer than events.oldest allows

	Downloaded      Kind = "downloaded"       // a file was served to Client, whole or in part
	DownloadRefused Kind = "download-refused" // Client got no file, for Reason

	LoggedIn    Kind = "logged-in"    // User logged in to the console
	LoginFailed Kind = "login-failed" // somebody could not, for Reason
	Operated    Kind = "operated"     // User did what Reason says
)

// Event is one thing that happened. Fields that do not apply are zero.
type Event struct {
	Kind     Kind
	Time     time.Time
	QueueID  string        // of the message
	LocalID  string        // of the request
	Client   string        // address or user that submitted the message, or address that uses the console
	User     string        // who uses the console
	Sender   string        // envelope sender
	To       []string      // recipients, as "to:a@example.com"
	Route    string        // name of the route
	Team     string        // name of the team
	Address  string        // of a listener
	Title    string        // of the message
	Convo    int64         // convo_id
	Message  int64         // the API's id of the message
	Attempt  int           // counted from 1
	Status   int           // HTTP status, or SMTP code of a refusal
	Enhanced string        // status code of a refusal (RFC 3463), only for metrics; "" where another server refused
	APIID    string        // X-Request-Id
	Size     int           // of the raw message, in bytes
	Duration time.Duration // from the acceptance of the message to its delivery
	Due      time.Time     // of the next attempt
	Pending  int           // number of pending requests
	Since    time.Time     // when the state began: for a backlog, when the oldest pending request was accepted
	Operator bool          // an operator wanted it: it is no fault
	Code     string        // of a warning: its kind, one of mimeconv's codes
	Report   bool          // a report to the sender is stored, only for who delivers it
	Reason   string        // what happened and what to do, for operators
	Err      error         // the cause, only for the log
	Steps    []Step        // what took which time, only for traces
}

// Sink receives events. Record must not block for long and may be called by many
// goroutines at once.
type Sink interface{ Record(Event) }

// Sinks hands each event to several sinks, in order.
type Sinks []Sink

// Record implements Sink.
func (s Sinks) Record(e Event) {
	for _, sink := range s {
		sink.Record(e)
	}
}
