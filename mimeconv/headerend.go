package mimeconv

import (
	"bytes"
	"strings"
)

// headerTail is the rest of a header that may lack the empty line at its end: the start of the
// last field of each kind before the next empty line or isEnd, -1 if there is none.
type headerTail struct {
	isEnd func(line []byte) bool // whether a line that is not empty ends the header; nil for none

	isRead bool
	hasEnd bool // there is an empty line
	secret int  // fields that must not become part of a body
	known  int  // secret and common fields
	mime   int  // these and fields that headers of parts have

	afterHidden bool // the last field before it has hidden recipients
}

// read reads the rest of the header at pos, once.
func (t *headerTail) read(raw []byte, pos int) {
	if t.isRead {
		return
	}
	t.isRead = true
	t.secret, t.known, t.mime = -1, -1, -1
	for end := min(len(raw), pos+maxHeader); pos < end; {
		line := readHeaderLine(raw, pos)
		if len(line.text) == 0 {
			t.hasEnd = true
			return
		}
		if t.isEnd != nil && t.isEnd(line.text) {
			return
		}
		name := fieldName(line.text)
		if isSecretField(name) || line.isHidden {
			t.secret = pos
		}
		if t.secret == pos || isKnownField(name) {
			t.known = pos
		}
		if t.known == pos || isMIMEField(name) {
			t.mime = pos
		}
		pos = line.next
	}
}

// isText reports whether the line at pos, which is neither a field nor folded, is text rather
// than an invalid line of the header.
func (t *headerTail) isText(raw []byte, pos int) bool {
	t.read(raw, pos)
	return pos > t.known && !t.afterHidden
}

// isTextAfterBlank reports whether the line at pos, which is not folded, is text if a line of
// white space precedes it, after which afterBlank starts. Such a line can be folded white space
// (RFC 5322, section 4.2), but some programs end a header with it.
func (t *headerTail) isTextAfterBlank(raw []byte, afterBlank, pos int, isField bool) bool {
	t.read(raw, pos)
	if isField {
		return pos > t.mime
	}
	_, next := cutHeaderLine(raw, pos)
	hidden := t.afterHidden && bytes.IndexByte(raw[afterBlank:next], '@') >= 0
	return pos > t.secret && !hidden
}

// isSecretField reports whether a field must never become part of a body.
func isSecretField(name string) bool {
	return name == "bcc" || name == "resent-bcc" || strings.HasPrefix(name, control)
}

// isKnownField reports whether a name is that of a common field rather than a word before a
// colon.
func isKnownField(name string) bool {
	switch name {
	case "from", "to", "cc", "subject", "date", "message-id", "received", "reply-to", "return-path",
		"mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references":
		return true
	}
	return false
}

// isMIMEField reports whether a name is that of a field that headers of parts have.
func isMIMEField(name string) bool {
	return strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "x-")
}
