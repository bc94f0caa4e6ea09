package mimeconv

import "bytes"

const (
	// maxHiddenName bounds where the name of a field with hidden recipients is searched for,
	// in octets.
	maxHiddenName = 128

	// maxHiddenPrefix bounds what precedes the hyphen in a name such as Resent-Bcc, in octets.
	maxHiddenPrefix = 24
)

// countHidden returns the number of fields that nobody may see.
func (b *block) countHidden() int {
	n := b.hidden
	for _, f := range b.fields {
		if isSecretField(f.name) {
			n++
		}
	}
	return n
}

// hiddenLength returns the length of the name of the field with hidden recipients that a line, at
// which raw starts, looks like; 0 if it looks like none. The name can contain line ends.
func hiddenLength(raw []byte, line headerLine) int {
	switch {
	case line.isField():
		return hiddenName(withoutBOM(line.text)[:line.name])
	case len(line.text) == 0 || isSpace(line.text):
		return 0
	}
	start := raw[:min(len(raw), maxHiddenName)]
	for _, end := range []string{"\n\r\n", "\n\n"} { // of the header
		start, _, _ = bytes.Cut(start, []byte(end))
	}
	return hiddenName(start)
}

// hiddenName returns the length of the name at the start of what is or was a Bcc field, 0 if it
// is none: blanks and other characters can have got into the name, and its colon can be missing.
func hiddenName(start []byte) int {
	if bytes.IndexByte(start, 'b') < 0 && bytes.IndexByte(start, 'B') < 0 { // nearly always, and fast
		return 0
	}
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
