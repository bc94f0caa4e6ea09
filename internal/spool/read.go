package spool

import "time"

// Retention is how long what has ended is kept, from its end on.
type Retention struct {
	Content time.Duration // bodies of messages that were sent
	Sent    time.Duration // what happened to them
	Failed  time.Duration // messages of which a request failed, was dropped or shadowed, whole
	Threads time.Duration // ids and conversations, from their last message on
	Repeats time.Duration // what may be repeated, from its acceptance on, whatever the others are

	Ways []Way // a message is kept, with its content, until its notices of these ways have left
}

// Filter chooses requests. Zero fields do not restrict.
type Filter struct {
	QueueIDs  []string
	States    []State // as lists show them: Held for what any hold keeps back
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
	Reason   string    `json:"reason,omitempty"` // of the last attempt, or why it is not being sent

	HoldLevel string `json:"hold_level,omitempty"` // of Hold: request, route or team
	Hold      *Hold  `json:"hold,omitempty"`       // what keeps it back, nil for nothing
}

// MessageDetail is everything about a message.
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

// RequestDetail is everything about a request.
type RequestDetail struct {
	Entry
	Priority     string          `json:"priority"`
	Conversation int64           `json:"conversation"` // our own number of it
	Joined       bool            `json:"joined"`
	By           string          `json:"joined_by,omitempty"` // which field named the id that found its conversation
	Opener       string          `json:"opener,omitempty"`    // of what would have replied: queue id of its conversation's first message
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
