package spool

import "time"

// Content is what a message contains.
type Content struct {
	HTML string // the body "text" of its requests
	Text string // the body "raw_text"
	Raw  []byte // as received; nil where it was not kept
}

// PendingNotice is a report or an event that has not been delivered yet.
type PendingNotice struct {
	Notice   string    `json:"notice"` // "report" or "event"
	Kind     string    `json:"kind"`   // the Action of a report, the type of an event
	QueueID  string    `json:"queue_id,omitempty"`
	Route    string    `json:"route,omitempty"`
	Sender   string    `json:"sender,omitempty"` // who receives the report
	Happened time.Time `json:"happened"`
	Due      time.Time `json:"due"` // of the next attempt
	Tries    int       `json:"tries"`
}
