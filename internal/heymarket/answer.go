package heymarket

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxReason     = 300            // octets of an error's Reason
	maxRetryAfter = 24 * time.Hour // a longer wait is not believed
	clockSkew     = time.Minute    // a difference that is worth a word when credentials are refused
)

// answer is what the API said, read whole.
type answer struct {
	status    int
	requestID string
	body      []byte
	token     string // that was sent, to be kept out of errors
}

// odd is the error for an answer that is not as documented. What was asked for
// may have been done.
func (a answer) odd(why string, cause error) *Error {
	return &Error{Unknown: true, Status: a.status, RequestID: a.requestID, Reason: a.tell(why), Err: cause}
}

// failure is the error for a status that is not 2xx.
func (a answer) failure(h http.Header, now time.Time) *Error {
	e := &Error{Status: a.status, RequestID: a.requestID, RetryAfter: retryAfter(h.Get("Retry-After"), now)}
	e.Class, e.Unknown = classify(a.status, isJSON(a.body))
	reason := a.reason()
	if e.Class == Denied {
		reason = clockNote(h.Get("Date"), now) + reason
	}
	e.Reason = a.tell(reason)
	return e
}

// tell makes a Reason of words that may be the API's own: the token is blotted
// out, should the API have repeated it, before anything is cut off.
func (a answer) tell(words string) string {
	return clip(strings.ReplaceAll(words, a.token, "***"), maxReason)
}

// shown is the body as words for people.
func (a answer) shown() string {
	if len(a.body) == 0 {
		return "nothing"
	}
	return oneLine(string(a.body))
}

// classify says what a status other than a good 2xx means, and whether the call
// may have been carried out.
func classify(status int, isJSON bool) (class Class, unknown bool) {
	switch {
	case status < 300 || status == http.StatusRequestTimeout || status >= 500:
		return Again, true
	case status < 400:
		return Redirect, false
	case status == http.StatusUnauthorized:
		return Denied, false
	case status == http.StatusConflict:
		return Conflict, false
	case !isJSON: // not the API: a proxy, a firewall
		return Again, false
	}
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return Invalid, false
	case http.StatusForbidden:
		return Forbidden, false
	case http.StatusNotFound:
		return NotFound, false
	}
	return Again, false
}

// isJSON reports whether body is an object, an array or a string in JSON.
func isJSON(body []byte) bool {
	body = bytes.TrimSpace(body)
	return len(body) > 0 && strings.IndexByte(`{["`, body[0]) >= 0 && json.Valid(body)
}

// reason finds the words of an answer: the fields in which they usually stand,
// else its beginning, else the name of the status.
func (a answer) reason() string {
	var words []string
	if o, ok := parseObject(a.body); ok {
		for _, key := range []string{"error", "message", "error_code", "code"} {
			if word := o.words(key); word != "" && !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	if len(words) == 0 {
		words = []string{oneLine(string(a.body))}
	}
	if words[0] == "" {
		words[0] = http.StatusText(a.status)
	}
	return strings.Join(words, ": ")
}

// retryAfter reads RFC 9110, section 10.2.3: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(date.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// clockNote says so where our clock and the API's differ: a token of the past or
// the future is refused like a wrong key.
func clockNote(date string, now time.Time) string {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return ""
	}
	ahead := now.Sub(theirs).Round(time.Second)
	switch {
	case ahead > clockSkew:
		return fmt.Sprintf("our clock is %v ahead of the API's; ", ahead)
	case ahead < -clockSkew:
		return fmt.Sprintf("our clock is %v behind the API's; ", -ahead)
	}
	return ""
}

// oneLine returns s with everything that does not print as a space, and no two
// spaces together.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// clip returns the first n octets of s, or a few less so as to end on a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// object is a JSON object, whose names are taken letter for letter.
type object map[string]json.RawMessage

func parseObject(body []byte) (object, bool) {
	var o object
	return o, json.Unmarshal(body, &o) == nil && o != nil
}

// id reads a positive integer. A string of digits is not one.
func (o object) id(key string) (int64, bool) { return parseID(o[key]) }

func parseID(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && n > 0
}

// ref reads what stands for another object: its id, or the object with its id.
// The copies of the documentation have both.
func (o object) ref(key string) int64 {
	if n, ok := o.id(key); ok {
		return n
	}
	inner, _ := parseObject(o[key])
	n, _ := inner.id("id")
	return n
}

// text reads a string, "" where there is none.
func (o object) text(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// words reads anything as words for people, "" where there is nothing.
func (o object) words(key string) string {
	raw := o[key]
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] == '"' {
		return oneLine(o.text(key))
	}
	return oneLine(string(raw))
}
