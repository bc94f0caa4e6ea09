package mimeconv

import (
	"bytes"
	"net/mail"
	"strings"
	"time"

	"heyrelay/mimeconv/htmltext"
)

// ReadHeader reads the header of a raw message, and nothing behind it. raw is
// only read, and nothing of the result aliases it. Odd input gives what a person
// would read from it; the one error is an [*Error] of kind [ErrTooComplex], for
// a header block over 256 KiB.
func ReadHeader(raw []byte) (Header, error) {
	b, _, err := readBlock(raw)
	if err != nil {
		return Header{}, err
	}
	var h Header
	for _, f := range b.fields {
		b.readField(&h, f)
	}
	h.Own = append(h.Own, parseIDs(b.all("x-microsoft-original-message-id", " "))...)
	h.Own = append(h.Own, parseIDs(b.all("x-google-original-message-id", " "))...)
	h.Own = h.Own[:min(len(h.Own), maxIDs)]
	h.InReplyTo, h.References = boundIDs(parseIDs(b.all("in-reply-to", " ")), parseIDs(b.all("references", " ")))
	h.Subject = b.subject()
	h.Resent = b.resent()
	return h, nil
}

// readField adds one field to h.
func (b *block) readField(h *Header, f field) {
	switch f.name {
	case "from":
		h.From = append(h.From, b.addresses(f.value)...)
	case "reply-to":
		h.ReplyTo = append(h.ReplyTo, b.addresses(f.value)...)
	case "to":
		h.To = append(h.To, b.addresses(f.value)...)
	case "cc":
		h.Cc = append(h.Cc, b.addresses(f.value)...)
	case "bcc":
		h.Bcc = append(h.Bcc, b.addresses(f.value)...)
	case "date":
		if h.Date.IsZero() {
			h.Date = parseDate(f.value)
		}
	case "message-id":
		ids := parseIDs(f.value)
		h.Own = append(h.Own, ids...)
		h.HasMessageID = h.HasMessageID || len(ids) > 0
	case "received":
		h.Received = append(h.Received, f.value)
	case "auto-submitted":
		h.AutoReplied = h.AutoReplied || keyword(f.value) == "auto-replied" // RFC 3834, section 5
	case "precedence":
		p := keyword(f.value)
		h.Bulk = h.Bulk || p == "bulk" || p == "list" || p == "junk"
	case "list-unsubscribe":
		h.Bulk = true
	default:
		b.readControl(h, f)
	}
}

// control begins the names of fields that speak to the gateway itself.
const control = "x-heymarket-"

// readControl keeps a field that speaks to the gateway itself.
func (b *block) readControl(h *Header, f field) {
	name, ok := strings.CutPrefix(f.name, control)
	if !ok {
		return
	}
	if h.Control == nil {
		h.Control = make(map[string]string)
	}
	if old, ok := h.Control[name]; ok {
		h.Control[name] = old + "\n" + b.text(f.value)
	} else {
		h.Control[name] = b.text(f.value)
	}
}

// resent gathers the Resent-* blocks that name recipients. RFC 5322, section
// 3.6.6: a resender puts its block on top, each field once; so a field that
// comes again, and trace fields, begin another block.
func (b *block) resent() []Resent {
	var blocks []Resent
	var cur Resent
	seen := make(map[string]bool)
	flush := func() {
		if len(cur.To)+len(cur.Cc) > 0 {
			blocks = append(blocks, cur)
		}
		cur = Resent{}
		clear(seen)
	}
	for _, f := range b.fields {
		switch {
		case f.name == "received" || f.name == "return-path" || seen[f.name]:
			flush()
		}
		if !strings.HasPrefix(f.name, "resent-") {
			continue
		}
		seen[f.name] = true
		switch f.name {
		case "resent-to":
			cur.To = b.addresses(f.value)
		case "resent-cc":
			cur.Cc = b.addresses(f.value)
		}
	}
	flush()
	return blocks
}

// keyword is the first word of a structured field, in lower case, without
// parameters and comments.
func keyword(value string) string {
	if i := strings.IndexAny(value, ";( \t"); i >= 0 {
		value = value[:i]
	}
	return strings.ToLower(value)
}

// parseDate reads a Date field. RFC 5322, section 3.3, and some old habits.
func parseDate(value string) time.Time {
	if t, err := time.Parse("Mon, _2 Jan 2006 15:04:05 -0700", value); err == nil { // most of them, and quick
		return t
	}
	if t, err := mail.ParseDate(value); err == nil {
		return t
	}
	for _, layout := range []string{time.RFC3339, time.ANSIC, time.UnixDate, "Mon, 2 Jan 2006 15:04:05"} {
		if t, err := time.Parse(layout, value); err == nil {
			return t
		}
	}
	return time.Time{}
}

// field is one field of a header.
type field struct {
	name  string // in lower case
	value string // unfolded, otherwise as sent
}

// block is a header block.
type block struct {
	fields   []field
	charset  string // that the message declares for its body
	repaired int    // lines that were no header lines
}

// get returns the first field of that name, "" when there is none.
func (b *block) get(name string) string {
	for _, f := range b.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// all returns all fields of that name, joined by sep.
func (b *block) all(name, sep string) string {
	var values []string
	for _, f := range b.fields {
		if f.name == name {
			values = append(values, f.value)
		}
	}
	return strings.Join(values, sep)
}

// text decodes an unstructured value to one line. Raw 8-bit text is read in the
// charset that the message declares for its body, as a sloppy program would mean it.
func (b *block) text(value string) string {
	return oneLine(decodeWords(value, b.charset))
}

func (b *block) addresses(value string) []Address { return parseAddresses(value, b.text) }

// subject is the first Subject that says anything.
func (b *block) subject() string {
	for _, f := range b.fields {
		if f.name == "subject" {
			if s := b.text(f.value); !htmltext.IsBlank(s) {
				return s
			}
		}
	}
	return ""
}

// readBlock splits a message into its header block and its body, which aliases
// raw.
func readBlock(raw []byte) (b block, body []byte, err error) {
	body, err = b.read(raw)
	_, params := parseMedia(b.get("content-type"))
	b.charset = params["charset"]
	return b, body, err
}

// read reads the fields, and returns the body. The header ends at the first empty
// line (RFC 5322, section 2.1), or where no header line can follow any more.
func (b *block) read(raw []byte) (body []byte, err error) {
	pos := mboxLine(raw)
	start := -1     // of the field that is being read
	lastKnown := -1 // of the last well-known field, once it was looked for
	flush := func(end int) {
		if start >= 0 {
			b.fields = append(b.fields, newField(raw[start:end]))
		}
		start = -1
	}
	for pos < len(raw) {
		line, next := cutLine(raw, pos)
		switch {
		case len(line) == 0:
			flush(pos)
			return raw[next:], nil
		case nameLength(line) > 0:
			flush(pos)
			start = pos
		case start >= 0 && (line[0] == ' ' || line[0] == '\t'):
			// A folded line, of the field that is being read.
		default:
			// A stray line belongs to the header only if fields follow it.
			if b.repaired++; b.repaired == 1 {
				lastKnown = lastKnownField(raw, pos)
			}
			if pos > lastKnown {
				flush(pos)
				return raw[pos:], nil
			}
		}
		if next > maxHeader {
			return nil, refuse(ErrTooComplex, "the header of the message is larger than %d octets", maxHeader)
		}
		pos = next
	}
	flush(len(raw))
	return nil, nil
}

// mboxLine is the length of a mailbox file's "From " line before the header.
func mboxLine(raw []byte) int {
	if !bytes.HasPrefix(bytes.TrimPrefix(raw, []byte(">")), []byte("From ")) {
		return 0
	}
	_, next := cutLine(raw, 0)
	return next
}

// cutLine returns the line at pos without its end, and where the next begins.
func cutLine(raw []byte, pos int) (line []byte, next int) {
	end := bytes.IndexByte(raw[pos:], '\n')
	if end < 0 {
		return bytes.TrimSuffix(raw[pos:], []byte("\r")), len(raw)
	}
	return bytes.TrimSuffix(raw[pos:pos+end], []byte("\r")), pos + end + 1
}

// nameLength is the length of the name of the field that begins with this line, 0
// if none does. RFC 5322, section 2.2.
func nameLength(line []byte) int {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return 0
	}
	name := bytes.TrimRight(line[:colon], " \t") // obsolete syntax (section 4.5)
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return 0
		}
	}
	return len(name)
}

// fieldName is the name of the field that begins with this line, in lower case; ""
// if none does.
func fieldName(line []byte) string { return strings.ToLower(string(line[:nameLength(line)])) }

// lastKnownField finds the last line before the next empty one that begins a
// well-known field; -1 when there is none.
func lastKnownField(raw []byte, pos int) int {
	last := -1
	for pos < min(len(raw), maxHeader) {
		line, next := cutLine(raw, pos)
		if len(line) == 0 {
			break
		}
		if isKnownField(fieldName(line)) {
			last = pos
		}
		pos = next
	}
	return last
}

// isKnownField tells the fields that every message has from words with a colon.
// Those for the gateway itself are among them: behind a stray line they would be
// body, and be sent.
func isKnownField(name string) bool {
	switch name {
	case "from", "to", "cc", "subject", "date", "message-id", "received", "reply-to", "return-path",
		"mime-version", "content-type", "content-transfer-encoding", "in-reply-to", "references":
		return true
	}
	return strings.HasPrefix(name, control)
}

// newField makes a field of its lines.
func newField(lines []byte) field {
	name, value, _ := bytes.Cut(lines, []byte(":"))
	return field{
		name:  strings.ToLower(string(bytes.TrimRight(name, " \t"))),
		value: unfold(value),
	}
}

// unfold makes one line of a field's value. RFC 5322, section 2.2.3: that takes
// only the line ends away. A line that was not folded rightly gets a space.
func unfold(value []byte) string {
	line, next := cutLine(value, 0)
	if next == len(value) {
		return string(bytes.Trim(line, " \t\r"))
	}
	v := make([]byte, 0, len(value))
	for v = append(v, line...); next < len(value); v = append(v, line...) {
		value = value[next:]
		line, next = cutLine(value, 0)
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			v = append(v, ' ')
		}
	}
	return string(bytes.Trim(v, " \t\r"))
}
