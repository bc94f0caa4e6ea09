package mimeconv

import (
	"bytes"
	"errors"
	"fmt"
)

// The bounds. Each stops an input whose cost grows faster than its size, or
// that no mail program makes; each is well over the largest real mail seen.
const (
	// maxRaw bounds the whole message, in octets. Mail systems carry 10 to 50 MB.
	maxRaw = 64 << 20

	// maxHeader bounds one header block, in octets: the message's and each
	// part's. The largest real one seen has 210 KB, most of it trace fields.
	maxHeader = 256 << 10

	// maxHeaders bounds the headers of all parts together, in octets: 1,000 parts
	// with 300 octets have a third of it.
	maxHeaders = 1 << 20

	// maxMediaField bounds a Content-Type or Content-Disposition, in octets:
	// parsing them is the slow part of a header. Real ones stay under 1 KB.
	maxMediaField = 16 << 10

	// maxBoundary bounds a multipart boundary, in octets. RFC 2046, section
	// 5.1.1, allows 70; enmime misreads boundaries near its 4 KB buffer.
	maxBoundary = 1000

	// maxMultiparts bounds the multiparts of one message, those in forwarded
	// messages not counted. enmime's time doubles with each nested multipart
	// that is never closed. Real mail nests 7 deep and has at most 12.
	maxMultiparts = 12

	// maxMultipartsInAll bounds them with those in forwarded messages.
	maxMultipartsInAll = 120

	// maxParts bounds the parts in all: enmime needs quadratic time for them.
	maxParts = 1000

	// maxForwards bounds messages within messages: each level is read again.
	maxForwards = 8

	// maxBody bounds the decoded text of all body parts together, and each form
	// of the result, in octets. Newsletters stay under 1 MB, which is also what
	// the API is given by default.
	maxBody = 8 << 20

	// maxTags bounds the tags of all HTML parts together. Newsletters have 10,000,
	// a report of 2,000 rows and 10 columns 44,000; more than this hardly fits
	// into the 1 MB that the API is given.
	maxTags = 60_000

	// maxPlaces bounds the places where HTML shows parts of the message. Real mail
	// has a hundred.
	maxPlaces = 1000
)

// fence watches over enmime while it reads a message, and counts what all the
// messages within that message have used.
type fence struct {
	multiparts int // in all messages
	parts      int // delimiters seen, in all messages
	headers    int // octets in the headers of parts, in all messages
	forwards   int // how deep we are in forwarded messages
}

// enter counts a message within a message. The caller calls leave at its end.
func (f *fence) enter() error {
	f.forwards++
	if f.forwards > maxForwards {
		return refuse(ErrTooComplex, "messages are nested more than %d deep", maxForwards)
	}
	return nil
}

func (f *fence) leave() { f.forwards-- }

// addParts counts n parts.
func (f *fence) addParts(n int) error {
	f.parts += n
	if f.parts > maxParts {
		return refuse(ErrTooComplex, "the message has more than %d parts", maxParts)
	}
	return nil
}

// watch is the fence around the reading of one message. enmime asks it about
// every media type, and so it sees each boundary before enmime walks to it.
type watch struct {
	*fence
	body     []byte
	calls    int    // how often a usable boundary was asked for
	boundary string // the last one looked at
	found    bool   // it has delimiters in the body
	mendable bool   // what is mended once too often stays as it is
	gaps     []int  // where empty lines are missing: the reading was stopped to mend them
	err      *Error // why the reading was refused
}

// errMend stops enmime, so that it reads the mended body instead.
var errMend = errors.New("the header of a part does not end")

// media parses a media type for enmime (its CustomParseMediaType). A boundary
// that enmime cannot use is taken away: then the part is a leaf, and nothing in
// it is lost. An error stops enmime.
func (w *watch) media(value string) (string, map[string]string, []string, error) {
	if len(value) > maxMediaField {
		w.err = refuse(ErrTooComplex, "a Content-Type or Content-Disposition field is longer than %d octets", maxMediaField)
		return "", nil, nil, w.err
	}
	kind, params := parseMedia(value)
	if kind == "multipart" {
		kind = "multipart/mixed"
	}
	boundary, ok := params["boundary"]
	if !ok {
		return kind, params, nil, nil
	}
	usable := isMultipart(kind) && boundary != "" && len(boundary) <= maxBoundary && w.pass(boundary)
	switch {
	case w.err != nil:
		return "", nil, nil, w.err
	case w.gaps != nil:
		return "", nil, nil, errMend
	}
	if !usable {
		delete(params, "boundary")
	}
	return kind, params, nil, nil
}

// pass looks at a boundary, and at all its delimiters, before enmime does, and
// reports whether there are any.
func (w *watch) pass(boundary string) bool {
	if boundary != w.boundary {
		w.boundary = boundary
		w.found = w.countParts("--" + boundary)
	}
	if !w.found || w.err != nil {
		return false
	}
	// enmime asks twice for each multipart.
	if w.calls++; w.calls%2 == 1 {
		w.multiparts++
	}
	if w.calls > 2*maxMultiparts || w.multiparts > maxMultipartsInAll {
		w.err = refuse(ErrTooComplex, "the message has more than %d multiparts", maxMultiparts)
	}
	return true
}

// countParts finds the delimiters of a multipart.
func (w *watch) countParts(delimiter string) (found bool) {
	for rest := w.body; w.err == nil; {
		before, after, ok := bytes.Cut(rest, []byte(delimiter))
		if !ok {
			return found
		}
		found = true
		if w.parts++; w.parts > maxParts {
			w.err = refuse(ErrTooComplex, "the message has more than %d parts", maxParts)
		}
		if !bytes.HasPrefix(after, []byte("--")) {
			w.countHeader(after, delimiter)
		}
		if atLineStart := len(before) == 0 || before[len(before)-1] == '\n'; atLineStart && w.mendable && w.err == nil {
			if gap := headerGap(after, delimiter); gap >= 0 {
				w.gaps = append(w.gaps, len(w.body)-len(after)+gap)
			}
		}
		rest = after
	}
	return found
}

// countHeader looks how long the header is at the beginning of a part, which ends at
// an empty line, or with the part.
func (w *watch) countHeader(part []byte, delimiter string) {
	head := part[:min(len(part), maxHeader+1)]
	for _, end := range []string{delimiter, "\n\r\n", "\n\n"} {
		head, _, _ = bytes.Cut(head, []byte(end))
	}
	switch w.headers += len(head); {
	case len(head) > maxHeader:
		w.err = refuse(ErrTooComplex, "the header of a part is larger than %d octets", maxHeader)
	case w.headers > maxHeaders:
		w.err = refuse(ErrTooComplex, "the headers of all parts together are larger than %d octets", maxHeaders)
	}
}

// refuse makes the Error of a message that cannot be converted.
func refuse(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}
