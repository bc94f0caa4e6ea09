// Package heymarket calls Heymarket's e-mail API.
//
// It knows the wire: URLs, JSON, authentication, and what kind of answer an
// answer is. It does not retry and it does not decide; that is delivery's. The
// one exception is a 401, which says for certain that nothing was done: the same
// call is then made once more with a fresh token, and after that with the next
// credential (see [Client]).
//
// Whatever goes wrong comes back as an [*Error]. Its Class says what kind of
// answer it was, and Unknown whether the call may have been carried out all the
// same, so that nobody takes silence for a no.
//
// The pages that this follows are https://developers.heymarket.com/api-reference.
package heymarket

import (
	"fmt"
	"time"
)

// Email is the body of POST /v1/email/send. Either ConvoID is set (a reply to
// all participants of that conversation) or Targets and ConvTitle are.
type Email struct {
	CreatorID int64    `json:"creator_id"`
	Inbox     int64    `json:"inbox"`
	Text      string   `json:"text"`     // HTML
	RawText   string   `json:"raw_text"` // plain
	LocalID   string   `json:"local_id"`
	ConvTitle string   `json:"conv_title,omitempty"`
	Targets   []string `json:"targets,omitempty"` // "to:a@example.com", one address each
	ConvoID   int64    `json:"convo_id,omitempty"`
}

// Sent is a usable answer to an Email: a 2xx with JSON and an integer id.
type Sent struct {
	Status     int // HTTP, 200 to 299
	ID         int64
	ConvoID    int64 // 0 where the answer has no usable one
	Queued     bool  // false only where the answer says so
	Date       string
	Compliance string // compliance_results as JSON; "" where empty or absent
	RequestID  string // X-Request-Id
}

// Class sorts failed calls by what to do about them.
type Class int

// The classes, as the API's statuses fall into them. JSON means an object, an
// array or a string: a bare number may well come from a proxy.
const (
	Again     Class = iota // temporary: network, time-outs, 408, 425, 429, 5xx, other 4xx, any 4xx without JSON, a 2xx that is not as documented
	Invalid                // 400, 413, 422 with a JSON body: this message, for good
	Denied                 // 401: credentials
	Forbidden              // 403 with a JSON body: the team or sender may not
	NotFound               // 404 with a JSON body
	Conflict               // 409: the local_id is known
	Redirect               // 3xx: never followed
)

// String names the class, for logs.
func (c Class) String() string {
	switch c {
	case Again:
		return "again"
	case Invalid:
		return "invalid"
	case Denied:
		return "denied"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Redirect:
		return "redirect"
	}
	return fmt.Sprintf("class %d", int(c))
}

// Error is a call that was not answered as wished.
type Error struct {
	Class      Class
	Unknown    bool          // it may have been carried out all the same: cut or timed out after the request began to leave, 408, 5xx, an odd 2xx
	Status     int           // 0 where there was no answer
	RequestID  string        // X-Request-Id
	RetryAfter time.Duration // 0 where none was asked for
	Reason     string        // the body's own words, at most 300 bytes, on one line; or what went wrong on the way. Holds no secret.
	Err        error         // cause, where there is one
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return "no answer from the API: " + e.Reason
	}
	return fmt.Sprintf("the API answered %d: %s", e.Status, e.Reason)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
