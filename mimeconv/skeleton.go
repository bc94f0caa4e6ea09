package mimeconv

import (
	"bytes"
	"strconv"
)

// minRun is how long content must be to be left out, in octets.
const minRun = 256

// runMark begins what stands for content that was left out. No text has it.
const runMark = "\x00run "

// skeleton is a body as enmime reads it: without long content. enmime looks at
// each octet to see whether a delimiter begins, and takes nine tenths of the time
// of a conversion for it; but delimiters begin lines (RFC 2046, section 5.1.1), and
// behind an empty line there are no fields any more up to the next one.
type skeleton struct {
	body []byte
	runs [][]byte // what was left out, by its number
}

func newSkeleton(body []byte) *skeleton {
	s := new(skeleton)
	if bytes.Contains(body, []byte(runMark)) {
		s.body = body
		return s
	}
	inRun, start, end, done := false, 0, 0, 0
	flush := func() {
		if inRun && end-start >= minRun {
			s.body = append(append(s.body, body[done:start]...), runMark...)
			s.body = append(strconv.AppendInt(s.body, int64(len(s.runs)), 10), 0)
			s.runs = append(s.runs, body[start:end])
			done = end
		}
		inRun = false
	}
	for pos := 0; pos < len(body); {
		line, next := cutLine(body, pos)
		switch {
		case bytes.HasPrefix(line, []byte("--")):
			flush()
		case inRun:
			end = pos + len(line)
		case len(line) == 0:
			inRun, start, end = true, next, next
		}
		pos = next
	}
	flush()
	s.body = append(s.body, body[done:]...)
	return s
}

// expand puts into the content of a part what was left out of it. It can alias the
// body.
func (s *skeleton) expand(content []byte) []byte {
	var whole []byte
	for {
		before, after, found := bytes.Cut(content, []byte(runMark))
		number, rest, _ := bytes.Cut(after, []byte{0})
		n, err := strconv.Atoi(string(number))
		switch {
		case !found && whole == nil:
			return content
		case !found || err != nil || n >= len(s.runs):
			return append(whole, content...)
		case whole == nil && len(before)+len(rest) == 0:
			return s.runs[n]
		}
		whole = append(append(whole, before...), s.runs[n]...)
		content = rest
	}
}
