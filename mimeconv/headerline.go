package mimeconv

import (
	"bytes"
	"strings"

	"heyrelay/mimeconv/charset"
)

// headerLine is a line of a header.
type headerLine struct {
	text     []byte // without its line end
	next     int    // start of the next line
	name     int    // length of the field name, 0 if the line does not start a field
	isHidden bool   // it looks like a field with hidden recipients
}

// isField reports whether the line starts a field.
func (l headerLine) isField() bool { return l.name > 0 }

// readHeaderLine reads the line at pos.
func readHeaderLine(raw []byte, pos int) headerLine {
	text, next := cutHeaderLine(raw, pos)
	l := headerLine{text: text, next: next, name: nameLength(text)}
	if n := hiddenLength(raw[pos:], l); n > 0 {
		l.isHidden = true
		for l.next < pos+n {
			_, l.next = cutHeaderLine(raw, l.next)
		}
	}
	return l
}

// addFields adds the fields of a header of which raw is all.
func (b *block) addFields(raw []byte) {
	fields := fieldReader{block: b, raw: raw, start: -1}
	for pos := 0; pos < len(raw); {
		line := readHeaderLine(raw, pos)
		fields.add(pos, line)
		pos = line.next
	}
	fields.end(len(raw))
}

// fieldReader adds the fields of a header line by line.
type fieldReader struct {
	*block
	raw         []byte
	start, stop int // of the current field; start is -1 if there is none
}

// add adds the line at pos. A line that is neither a field nor folded belongs to the field before
// it if nobody sees that field. Otherwise it is dropped with the lines folded behind it.
func (r *fieldReader) add(pos int, line headerLine) {
	switch {
	case line.isHidden && (isFolded(line.text) || !isSecretField(fieldName(line.text))):
		r.hidden++
		r.end(pos)
	case line.isField():
		r.end(pos)
		r.start = pos
		r.stop = line.next
	case isFolded(line.text):
		r.stop = line.next
	case r.start >= 0 && isUnseen(fieldName(r.raw[r.start:r.stop])):
		r.repaired++
		r.stop = line.next
	default:
		r.repaired++
		r.end(pos)
	}
}

// end ends the current field, at pos at the latest.
func (r *fieldReader) end(pos int) {
	if r.start >= 0 {
		r.fields = append(r.fields, newField(r.raw[r.start:min(r.stop, pos)]))
	}
	r.start = -1
}

// isUnseen reports whether nobody sees the value of a field.
func isUnseen(name string) bool {
	switch name {
	case "message-id", "in-reply-to", "references", "received", "bcc", "resent-bcc":
		return true
	}
	return strings.HasPrefix(name, "content-")
}

// isFolded reports whether a line continues the line before it (RFC 5322, section 2.2.3).
func isFolded(line []byte) bool { return len(line) > 0 && (line[0] == ' ' || line[0] == '\t') }

// isSpace reports whether a line consists of white space and is not empty.
func isSpace(line []byte) bool {
	return len(line) > 0 && len(bytes.Trim(line, " \t")) == 0
}

// prologue returns the length of what precedes the header of a message: the "From " line of a
// mailbox file, or empty lines before a common field.
func prologue(raw []byte) int {
	line, next := cutHeaderLine(raw, 0)
	start := bytes.TrimPrefix(withoutBOM(line), []byte(">"))
	if bytes.HasPrefix(start, []byte("From ")) && nameLength(line) == 0 { // not "From : Bob" (section 4.5)
		return next
	}
	empty := len(raw) - len(bytes.TrimLeft(raw, "\r\n"))
	first, _ := cutHeaderLine(raw, empty)
	if name := fieldName(first); isKnownField(name) || isSecretField(name) {
		return empty
	}
	return 0
}

// cutLine returns the line at pos without its line end, and the start of the next line.
func cutLine(raw []byte, pos int) (line []byte, next int) {
	end := bytes.IndexByte(raw[pos:], '\n')
	if end < 0 {
		return bytes.TrimSuffix(raw[pos:], []byte("\r")), len(raw)
	}
	return bytes.TrimSuffix(raw[pos:pos+end], []byte("\r")), pos + end + 1
}

// cutHeaderLine is cutLine for a header, in which CRs without an LF end a line, too. They never
// make an empty line, which would end the header.
func cutHeaderLine(raw []byte, pos int) (line []byte, next int) {
	const usual = 1 << 10 // longer lines are rare
	if n := bytes.IndexByte(raw[pos:min(len(raw), pos+usual)], '\n'); n >= 0 {
		line = bytes.TrimSuffix(raw[pos:pos+n], []byte("\r"))
		if bytes.IndexByte(line, '\r') < 0 {
			return line, pos + n + 1
		}
	}
	for {
		n := bytes.IndexAny(raw[pos:], "\r\n")
		if n < 0 {
			return raw[pos:], len(raw)
		}
		line, next = raw[pos:pos+n], pos+n
		for next < len(raw) && raw[next] == '\r' {
			next++
		}
		if next < len(raw) && raw[next] == '\n' {
			return line, next + 1
		}
		if n > 0 {
			return line, next
		}
		pos = next
	}
}

// bom is the byte order mark. Some programs write it before a message, to which servers prepend
// trace fields.
var bom = []byte("\ufeff")

// withoutBOM removes byte order marks from the start of a line. There are two where a program adds its
// own to what has one.
func withoutBOM(line []byte) []byte {
	for bytes.HasPrefix(line, bom) {
		line = line[len(bom):]
	}
	return line
}

// nameLength returns the length of the field name at the start of a line, 0 if the line does
// not start a field (RFC 5322, section 2.2). A byte order mark before it does not count.
func nameLength(line []byte) int {
	line = withoutBOM(line)
	end := 0
	for end < len(line) && ' ' < line[end] && line[end] < 0x7f && line[end] != ':' {
		end++
	}
	rest := bytes.TrimLeft(line[end:], " \t") // obsolete syntax (section 4.5)
	if len(rest) == 0 || rest[0] != ':' {
		return 0
	}
	return end
}

// fieldName returns the field name at the start of a line in lower case, "" if the line does
// not start a field.
func fieldName(line []byte) string {
	return lowerName(withoutBOM(line)[:nameLength(line)])
}

// lowerName returns the name of a field, which is ASCII, in lower case.
func lowerName(name []byte) string {
	lower := make([]byte, 0, 32) // of most names on the stack
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	return string(lower)
}

// newField parses the lines of a field.
func newField(lines []byte) field {
	lines = withoutBOM(lines)
	end := nameLength(lines)
	_, rest, _ := bytes.Cut(lines[end:], []byte(":"))
	value := unfold(rest)
	if strings.IndexByte(value, 0x1b) >= 0 { // ISO-2022-JP, whose octets are not to be taken for syntax
		text, _, _ := charset.DecodeFast([]byte(value), "", false)
		value = string(text)
	}
	return field{name: lowerName(lines[:end]), value: value}
}

// unfold joins the lines of a value by removing the line ends (RFC 5322, section 2.2.3). A
// continuation line without leading white space gets a space.
func unfold(value []byte) string {
	line, next := cutHeaderLine(value, 0)
	if next == len(value) {
		return string(bytes.Trim(line, " \t\r"))
	}
	v := make([]byte, 0, len(value))
	for v = append(v, line...); next < len(value); v = append(v, line...) {
		value = value[next:]
		line, next = cutHeaderLine(value, 0)
		if len(line) > 0 && !isFolded(line) {
			v = append(v, ' ')
		}
	}
	return string(bytes.Trim(v, " \t\r"))
}
