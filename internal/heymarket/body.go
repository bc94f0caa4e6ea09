package heymarket

import (
	"bytes"
	"encoding/json"
	"sync"
)

// body is the JSON that a call posts. Its memory, about twice that of a message, is used again.
type body struct {
	bytes.Buffer
	lent bool // a transport may still read it
}

const maxKept = 128 << 10 // octets of a body whose memory is kept

var bodies = sync.Pool{New: func() any { return new(body) }}

// newBody returns v as the body of a call, which is to be released after it.
func newBody(v any) (*body, error) {
	b := bodies.Get().(*body)
	b.Reset()
	err := b.encode(v)
	if err != nil {
		b.release()
	}
	return b, err
}

// encode makes b the JSON of v. Markup stays as it is: escaping <, > and & would nearly double the
// size of HTML.
func (b *body) encode(v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return &Error{Class: Invalid, Reason: oneLine(err.Error()), Err: err}
	}
	b.Truncate(b.Len() - 1) // the end of the line
	return nil
}

// release has another call use b, unless a transport may still read it: it may do so for longer than
// the exchange takes (http.RoundTripper).
func (b *body) release() {
	if !b.lent && b.Cap() <= maxKept {
		bodies.Put(b)
	}
}
