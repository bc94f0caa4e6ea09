package heymarket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/retryafter"
)

const (
	maxObject     = 1 << 20        // bytes of a response that is one object, or a failure
	maxList       = 4 << 20        // bytes of a response that is a list, after decompression
	maxRequestID  = 200            // bytes of an X-Request-Id
	maxReason     = 300            // bytes of an Error's Reason, and of other text for people
	maxRetryAfter = 24 * time.Hour // a longer delay is cut to this
	clockSkew     = time.Minute    // a difference that is reported when credentials are refused
)

// response is what the API returned.
type response struct {
	status    int
	requestID string
	body      []byte // of an object or a failure
	cut       bool   // a list was longer than maxList: its end was not read
	token     string // that was sent; must not get into errors
}

// interrupted is a body whose end did not come.
type interrupted struct{ cause error }

func (e *interrupted) Error() string { return e.cause.Error() }

// read reads the body: the elements of a list one by one, anything else whole.
func (r *response) read(body io.Reader, element func(object) error) error {
	if element != nil && r.status <= 299 {
		return r.readList(&bounded{from: body, left: maxList}, element)
	}
	limited := &bounded{from: body, left: maxObject}
	var err error
	r.body, err = io.ReadAll(limited)
	switch {
	case errors.Is(err, errTooLong):
		return r.odd(fmt.Sprintf("the response is longer than %d bytes", maxObject), nil)
	case err != nil:
		return &interrupted{err}
	}
	return nil
}

// readList decodes a JSON array as a stream, so that it holds one element at a
// time. A list that is too long is cut behind its last complete element.
func (r *response) readList(body *bounded, element func(object) error) error {
	n := 0
	err := decodeList(body, func(o object) error {
		n++
		return element(o)
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(body.err, errTooLong) && n > 0:
		r.cut = true
		return nil
	case errors.Is(body.err, errTooLong):
		return r.odd(fmt.Sprintf("the response is longer than %d bytes", maxList), nil)
	case body.err != nil:
		return &interrupted{body.err}
	}
	return r.odd("not a list as documented: "+oneLine(err.Error()), err)
}

// decodeList passes the elements of a JSON array to element.
func decodeList(body io.Reader, element func(object) error) error {
	dec := json.NewDecoder(body)
	start, err := dec.Token()
	if err != nil {
		return err
	}
	if start != json.Delim('[') {
		return errors.New("no array")
	}
	for dec.More() {
		var o object
		if err := dec.Decode(&o); err != nil {
			return err
		}
		if err := element(o); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("data after the array")
	}
	return nil
}

var errTooLong = errors.New("too long")

// bounded reads at most left bytes. It keeps the error that ended it, other than
// io.EOF.
type bounded struct {
	from io.Reader
	left int64
	err  error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 { // is there more?
		var one [1]byte
		n, err := b.from.Read(one[:])
		if n > 0 {
			err = errTooLong
		}
		return 0, b.ended(err)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, b.ended(err)
}

func (b *bounded) ended(err error) error {
	if !errors.Is(err, io.EOF) {
		b.err = err
	}
	return err
}

// odd is the error for a response that is not as documented. The call may have
// been carried out.
func (r response) odd(why string, cause error) *Error {
	return &Error{Unknown: true, Status: r.status, RequestID: r.requestID, Reason: r.redact(why), Err: cause}
}

// failure is the error for a status that is not 2xx. Where the body was not read to its end, for the reason unread,
// what the status and the header say counts all the same, and what a part of the body says does not.
func (r response) failure(h http.Header, now time.Time, unread *Error) *Error {
	e := &Error{Status: r.status, RequestID: r.requestID, RetryAfter: min(retryafter.Of(h, now), maxRetryAfter)}
	e.Class, e.Unknown = classify(r.status, unread == nil && isJSON(r.body))
	reason := r.reason()
	if unread != nil {
		e.Unknown = e.Unknown || e.Class == Again
		e.Err = unread.Err
		reason = unread.Reason
	}
	if e.Class == Denied {
		reason = clockNote(h.Get("Date"), now) + reason
	}
	e.Reason = r.redact(reason)
	return e
}

// redact makes text for people of what may come from the API: without the token, and
// shortened after that.
func (r response) redact(text string) string { return clip(r.blank(text), maxReason) }

// blank blanks the token out, in case the API repeated it.
func (r response) blank(text string) string { return strings.ReplaceAll(text, r.token, "***") }

// shown is the body as text for people.
func (r response) shown() string {
	if len(r.body) == 0 {
		return "an empty body"
	}
	return oneLine(string(r.body))
}

// classify sorts a status other than a valid 2xx, and reports whether the call
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
	case !isJSON: // not from the API but from a proxy or a firewall
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

// reason is the API's explanation of a failure: the fields that usually hold it,
// else the beginning of the body, else the name of the status.
func (r response) reason() string {
	var parts []string
	if o, ok := parseObject(r.body); ok {
		for _, key := range []string{"error", "message", "error_code", "code"} {
			if part := o.display(key); part != "" && !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		}
	}
	if len(parts) == 0 {
		parts = []string{oneLine(string(r.body))}
	}
	if parts[0] == "" {
		parts[0] = http.StatusText(r.status)
	}
	return strings.Join(parts, ": ")
}

// clockNote reports a difference between the local clock and the API's: a token
// of the past or the future is refused like a wrong key.
func clockNote(date string, now time.Time) string {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return ""
	}
	ahead := now.Sub(theirs).Round(time.Second)
	switch {
	case ahead > clockSkew:
		return fmt.Sprintf("the local clock is %v ahead of the API's: set it; ", ahead)
	case ahead < -clockSkew:
		return fmt.Sprintf("the local clock is %v behind the API's: set it; ", -ahead)
	}
	return ""
}
