// Package heymarket is a client of Heymarket's e-mail API.
//
// It knows the wire: URLs, JSON, authentication and the kinds of responses. It
// does not retry and does not decide; package delivery does. The one exception is
// a 401, which proves that nothing was done: the client repeats the call with a
// fresh token and then with the other credentials (see [Client]).
//
// Every failure is an [*Error]. Its Class sorts it, and Unknown reports whether
// the call may have been carried out anyway, so that a missing response is never
// taken for a refusal.
//
// The API reference is at https://developers.heymarket.com/api-reference.
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
	RawText   string   `json:"raw_text"` // plain text
	LocalID   string   `json:"local_id"`
	ConvTitle string   `json:"conv_title,omitempty"`
	Targets   []string `json:"targets,omitempty"` // see the function Targets
	ConvoID   int64    `json:"convo_id,omitempty"`
}

// Sent is a valid response to an Email: a 2xx with JSON and an integer id.
type Sent struct {
	Status     int // HTTP, 200 to 299
	ID         int64
	ConvoID    int64  // 0 if the response has no valid one
	Queued     bool   // false only if the response has "queued": false
	Date       string // ISO 8601, as received
	Compliance string // the beginning of compliance_results as JSON, at most 300 bytes; "" if empty or absent
	RequestID  string // X-Request-Id
}

// Class sorts failed calls by how to handle them.
type Class int

// The classes of HTTP statuses. A JSON body is an object, an array or a string: a
// bare number may well come from a proxy.
const (
	// Again is a temporary failure: network errors, time-outs, 408, 425, 429, 5xx,
	// any other 4xx, any 4xx without a JSON body, a 2xx that is not as documented, a
	// status that is not final (1xx).
	Again     Class = iota
	Invalid         // 400, 413, 422 with a JSON body: the message is refused permanently
	Denied          // 401: the credentials are refused
	Forbidden       // 403 with a JSON body: the team or sender has no permission
	NotFound        // 404 with a JSON body
	Conflict        // 409: the local_id is known
	Redirect        // 3xx: never followed
)

// String returns the name of the class, for logs.
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

// Error is a failed call.
type Error struct {
	Class Class

	// Unknown: the call may have been carried out anyway. It was interrupted after
	// the request began to leave, and before a 3xx, 401 or 409 came; or the response is
	// a 408, a 5xx, a 2xx that is not as documented, or not final.
	Unknown bool

	Status     int           // 0 if there was no response
	RequestID  string        // X-Request-Id
	RetryAfter time.Duration // at most 24 h; 0 if the response asks for no delay
	Reason     string        // from the body, or a description of the failure: one line, at most 300 bytes, no secrets
	Err        error         // the cause, if there is one
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return "no response from the API: " + e.Reason
	}
	return fmt.Sprintf("the API returned %d: %s", e.Status, e.Reason)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
