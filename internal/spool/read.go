package spool

import "time"

// Retention is how long what has ended is kept, from its end on.
type Retention struct {
	Content time.Duration // bodies of messages that were sent
	Sent    time.Duration // what happened to them
	Failed  time.Duration // messages of which a request failed, was dropped or shadowed, whole
	Threads time.Duration // ids and conversations, from their last message on
	Repeats time.Duration // what may be repeated, from its acceptance on, whatever the others are

	// Ways are those in which notices leave. A message is kept, with its content, until its notices of
	// these ways have left. One of another way is deleted with its message, or if it is about none, Sent
	// after it happened.
	Ways []Way
}

// Filter chooses requests. Zero fields do not restrict.
type Filter struct {
	QueueIDs  []string
	States    []State // as lists show them: Held for what any hold keeps back
	Route     string
	Team      string
	Recipient string    // equal to one of its addresses, letter case aside
	MessageID string    // of its message, with or without < and >
	LocalID   string    // of the request
	ConvoID   int64     // as answered for the request, or of its conversation
	Subject   string    // a part of the title, letter case aside
	Since     time.Time // accepted at or after
	Before    time.Time // accepted before

	// The part of a list: at most Limit requests (0: 100), newest first, or oldest first;
	// only those that were accepted before or after the one with a number (0: any).
	Limit        int
	OldestFirst  bool
	Older, Newer int64
}

// Page is a part of a list. It can have fewer entries than Filter.Limit although there are more:
// each page examines a bounded number of requests, so that it takes no longer with a million of
// them.
type Page struct {
	Entries []Entry
	Older   int64 // for Filter.Older of the next page; 0: there are no older ones
	Newer   int64 // for Filter.Newer of the page before, also of what is yet to come; 0 if the spool is empty
	More    bool  // there may be more, in the direction of the search
}

// Entry is one request in a list.
type Entry struct {
	Number   int64     `json:"-"` // increases with each request that is accepted
	QueueID  string    `json:"queue_id"`
	LocalID  string    `json:"local_id"`
	Accepted time.Time `json:"accepted"`
	State    string    `json:"state"`
	Unknown  bool      `json:"outcome_unknown,omitempty"` // an attempt may have sent it, and none has since
	Route    string    `json:"route"`
	Sender   string    `json:"sender"`
	To       []string  `json:"to"`
	Cc       []string  `json:"cc,omitempty"`
	Title    string    `json:"title"`
	Attempts int       `json:"attempts"`
	Due      time.Time `json:"due,omitzero"`
	ConvoID  int64     `json:"convo_id,omitempty"`
	Reason   string    `json:"reason,omitempty"` // of the last attempt, or why it is not being sent

	Smarthost bool `json:"smarthost,omitempty"` // it leaves by the smarthost of its route, not by the API

	HoldLevel string `json:"hold_level,omitempty"` // of Hold: request, route or team
	Hold      *Hold  `json:"hold,omitempty"`       // what keeps it back, nil for nothing
}

// MessageDetail is everything about a message.
type MessageDetail struct {
	QueueID    string          `json:"queue_id"`
	Accepted   time.Time       `json:"accepted"`
	Client     string          `json:"client"`
	Sender     string          `json:"sender"`
	Route      string          `json:"route"`
	Team       string          `json:"team"`
	Inbox      int64           `json:"inbox"`
	Title      string          `json:"title"`
	MessageIDs []string        `json:"message_ids,omitempty"` // its Message-ID field, without < and >
	Warnings   []byte          `json:"-"`
	Requests   []RequestDetail `json:"requests"`

	Attachments []Attachment `json:"attachments,omitempty"` // in the order of the message, until they are deleted
}

// RequestDetail is everything about a request.
type RequestDetail struct {
	Entry
	Priority     string          `json:"priority"`
	Conversation int64           `json:"conversation"` // our own number of it
	Joined       bool            `json:"joined"`
	By           string          `json:"joined_by,omitempty"` // which field named the id that found its conversation
	Opener       string          `json:"opener,omitempty"`    // of a shadowed reply: its conversation's first queue id
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
	Status  int       `json:"status,omitempty"`          // of HTTP, or the code of a smarthost's reply
	APIID   string    `json:"request_id,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}
