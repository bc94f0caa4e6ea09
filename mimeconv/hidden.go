package mimeconv

import (
	"bytes"
	"regexp"
)

// maxHiddenName bounds where the name of a field with hidden recipients is searched for, in
// octets.
const maxHiddenName = 128

// hiddenName matches the start of a header line that is or was a Bcc field: blanks and other
// characters can have got into its name, and its colon can be missing. bcc@example.com is an
// address.
var hiddenName = regexp.MustCompile(`(?i)^(\W*(?:[^:@]{0,20}-\W*)?b\W*c\W*c)(?:[^\w.+@-]|$)`)

// cutHidden reports whether the line at pos looks like a field with hidden recipients, and
// returns the start of the line after it. If line ends have got into the name, that is a later
// line than next.
func cutHidden(raw []byte, pos int, line []byte, next int) (after int, isHidden bool) {
	start := raw[pos:min(len(raw), pos+maxHiddenName)]
	if n := nameLength(line); n > 0 && !isFolded(line) {
		start = bytes.TrimPrefix(line, bom)[:n]
	}
	if bytes.IndexAny(start, "bB") < 0 || isSpace(line) {
		return next, false
	}
	name := hiddenName.FindSubmatchIndex(start)
	if name == nil {
		return next, false
	}
	for next < pos+name[3] {
		_, next = cutHeaderLine(raw, next)
	}
	return next, true
}
