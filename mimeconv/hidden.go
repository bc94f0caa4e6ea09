package mimeconv

import "bytes"

const (
	// maxHiddenName bounds where the name of a field with hidden recipients is searched for,
	// in octets.
	maxHiddenName = 128

	// maxHiddenPrefix bounds what precedes the hyphen in a name such as Resent-Bcc, in octets.
	maxHiddenPrefix = 24
)

// cutHidden reports whether the line at pos looks like a field with hidden recipients, and
// returns the start of the line after it. If line ends have got into the name, that is a later
// line than next.
func cutHidden(raw []byte, pos int, line []byte, next int) (after int, isHidden bool) {
	start := raw[pos:min(len(raw), pos+maxHiddenName)]
	if n := nameLength(line); n > 0 && !isFolded(line) {
		start = bytes.TrimPrefix(line, bom)[:n]
	}
	if len(line) == 0 || isSpace(line) {
		return next, false
	}
	for _, end := range []string{"\n\r\n", "\n\n"} { // of the header
		start, _, _ = bytes.Cut(start, []byte(end))
	}
	end := hiddenName(start)
	if end == 0 {
		return next, false
	}
	for next < pos+end {
		_, next = cutHeaderLine(raw, next)
	}
	return next, true
}

// hiddenName returns the length of the name at the start of what is or was a Bcc field, 0 if it
// is none: blanks and other characters can have got into the name, and its colon can be missing.
func hiddenName(start []byte) int {
	isBegin := true // of the name, or behind a hyphen in it
	for i, c := range start {
		switch {
		case c == ':' || c == '@' || i > maxHiddenPrefix && isNameChar(c) && !isBegin:
			return 0
		case c == '-':
			isBegin = true
		case isNameChar(c):
			if end := bccEnd(start[i:]); isBegin && end > 0 {
				return i + end
			}
			isBegin = false
		}
	}
	return 0
}

// bccEnd returns where "bcc" at the start of s ends, 0 if s does not start with it.
// bcc@example.com is an address.
func bccEnd(s []byte) int {
	const name = "bcc"
	found := 0
	for i, c := range s {
		switch {
		case found == len(name):
			if isNameChar(c) || bytes.IndexByte([]byte(".+@-"), c) >= 0 {
				return 0
			}
			return i
		case c|0x20 == name[found]:
			found++
		case isNameChar(c) || c == ':' || c == '@':
			return 0
		}
	}
	if found < len(name) {
		return 0
	}
	return len(s)
}

// isNameChar reports whether c is an ASCII letter or digit.
func isNameChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
