package mimeconv

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"
	"time"

	"heyrelay/mimeconv/charset"
	"heyrelay/mimeconv/htmltext"
)

// ReadHeader reads the header of a raw message. Of the body, it inspects at most the charset.
// raw is only read and the result does not alias it. Invalid input is read as a person would
// read it. The only error is an [*Error] of kind [ErrTooComplex], for a header larger than 256
// KiB.
func ReadHeader(raw []byte) (Header, error) {
	b, _, err := readBlock(raw, new(guesses))
	if err != nil {
		return Header{}, err
	}
	var h Header
	for _, f := range b.fields {
		b.readField(&h, f)
	}
	h.Own = append(h.Own, parseIDs(b.guesses, b.all("x-microsoft-original-message-id", " "))...)
	h.Own = append(h.Own, parseIDs(b.guesses, b.all("x-google-original-message-id", " "))...)
	h.Own = h.Own[:min(len(h.Own), maxIDs)]
	inReplyTo := parseIDs(b.guesses, b.all("in-reply-to", " "))
	references := parseIDs(b.guesses, b.all("references", " "))
	h.InReplyTo, h.References = boundIDs(inReplyTo, references)
	h.Subject = b.subject()
	h.Hidden = b.hidden
	for _, f := range b.fields {
		if isSecretField(f.name) {
			h.Hidden++
		}
	}
	h.Resent = b.resent()
	return h, nil
}

// readField adds a field to h.
func (b *block) readField(h *Header, f field) {
	switch f.name {
	case "from":
		h.From = b.addAddresses(h.From, f.value)
	case "reply-to":
		h.ReplyTo = b.addAddresses(h.ReplyTo, f.value)
	case "to":
		h.To = b.addAddresses(h.To, f.value)
	case "cc":
		h.Cc = b.addAddresses(h.Cc, f.value)
	case "bcc":
		h.Bcc = b.addAddresses(h.Bcc, f.value)
	case "date":
		if h.Date.IsZero() {
			h.Date = parseDate(f.value)
		}
	case "message-id":
		if len(h.Own) >= maxIDs {
			return
		}
		ids := parseIDs(b.guesses, f.value)
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

// control is the prefix of control headers, which are meant for heyrelay itself.
const control = "x-heymarket-"

// readControl adds a control header to h.
func (b *block) readControl(h *Header, f field) {
	name, ok := strings.CutPrefix(f.name, control)
	if !ok {
		return
	}
	if h.Control == nil {
		h.Control = make(map[string]string)
	}
	old, isRepeated := h.Control[name]
	switch {
	case !isRepeated:
		h.Control[name] = b.text(f.value)
	case len(old) < maxControl:
		h.Control[name] = old + "\n" + b.text(f.value)
	}
}

// resent returns the Resent-* blocks that name recipients. Each resender prepends a block in
// which a field occurs once (RFC 5322, section 3.6.6), so a repeated field or a trace field
// starts another block.
func (b *block) resent() []Resent {
	isResent := func(f field) bool { return strings.HasPrefix(f.name, "resent-") }
	if !slices.ContainsFunc(b.fields, isResent) {
		return nil
	}
	var blocks []Resent
	var cur Resent
	addresses := 0
	seen := make(map[string]bool)
	flush := func() {
		if len(cur.To)+len(cur.Cc) > 0 {
			blocks = append(blocks, cur)
		}
		addresses += len(cur.To) + len(cur.Cc)
		cur, seen = Resent{}, make(map[string]bool) // clearing a large map takes long
	}
	for _, f := range b.fields {
		if addresses >= maxAddresses {
			break
		}
		if f.name == "received" || f.name == "return-path" || seen[f.name] {
			flush()
		}
		if !isResent(f) {
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

// keyword returns the first word of a structured field in lower case, without parameters and
// comments.
func keyword(value string) string {
	if i := strings.IndexAny(value, ";( \t"); i >= 0 {
		value = value[:i]
	}
	return strings.ToLower(value)
}

// parseDate parses a Date field (RFC 5322, section 3.3, and some obsolete formats).
func parseDate(value string) time.Time {
	value = value[:min(len(value), maxDate)]
	if t, err := time.Parse("Mon, _2 Jan 2006 15:04:05 -0700", value); err == nil { // the common form, and fast
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

// field is a header field.
type field struct {
	name  string // in lower case
	value string // unfolded, otherwise as sent
}

// block is the header of a message.
type block struct {
	fields   []field
	charset  string // of text that is neither ASCII nor UTF-8
	guesses  *guesses
	repaired int // number of lines that neither start nor continue a field
	hidden   int // number of lines that name hidden recipients and are not fields
}

// get returns the value of the first field of that name, "" if there is none.
func (b *block) get(name string) string {
	for _, f := range b.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// all returns the values of all fields of that name, joined by sep.
func (b *block) all(name, sep string) string {
	var values []string
	for _, f := range b.fields {
		if f.name == name {
			values = append(values, f.value)
		}
	}
	return strings.Join(values, sep)
}

// text decodes an unstructured value to one line. Raw 8-bit text that is not UTF-8 is read in
// the charset of the body.
func (b *block) text(value string) string {
	start := cutField(value)
	text := oneLine(decodeWords(b.guesses, start, b.charset))
	if len(start) < len(value) {
		text += "…"
	}
	return text
}

func (b *block) addresses(value string) []Address { return b.addAddresses(nil, value) }

// addAddresses appends the addresses of a field to those of the fields of its name.
func (b *block) addAddresses(all []Address, value string) []Address {
	if len(all) >= maxAddresses {
		return all
	}
	all = append(all, parseAddresses(value, b.text)...)
	return all[:min(len(all), maxAddresses)]
}

// cutField returns the start of a long value, as a rule up to the end of a word.
func cutField(value string) string {
	if len(value) <= maxField {
		return value
	}
	value = value[:maxField]
	if end := strings.LastIndexByte(value, ' '); end > maxField/2 {
		value = value[:end]
	}
	return value
}

// subject returns the first Subject that is not blank.
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

// readBlock splits a message into its header and its body, which aliases raw.
func readBlock(raw []byte, g *guesses) (b block, body []byte, err error) {
	b.guesses = g
	body, err = b.read(raw)
	b.chooseType(body)
	if b.hasRaw() {
		b.charset = b.bodyCharset(body)
	}
	return b, body, err
}

// read reads the fields and returns the body. The header ends at the first empty line (RFC
// 5322, section 2.1). Text ends it only where fields or an empty line can no longer follow.
func (b *block) read(raw []byte) (body []byte, err error) {
	const usual = 16 // fields
	b.fields = make([]field, 0, usual)
	fields := fieldReader{block: b, raw: raw, start: -1}
	blank, afterBlank := -1, 0 // a line of white space that may end the header
	hasFields := false
	var tail headerTail
	for pos := prologue(raw); pos < len(raw); {
		line := readHeaderLine(raw, pos)
		switch {
		case len(line.text) == 0:
			fields.end(pos)
			return raw[line.next:], nil
		case line.isHidden:
			blank, hasFields = -1, true
			tail.afterHidden = true
		case hasFields && isFolded(line.text):
			if blank < 0 && isSpace(line.text) {
				blank, afterBlank = pos, line.next
			}
		case blank >= 0 && tail.isTextAfterBlank(raw, afterBlank, pos, line.isField()):
			b.repaired++
			fields.end(blank)
			return raw[afterBlank:], nil
		case line.isField():
			blank, hasFields = -1, true
			tail.afterHidden = false
		default:
			blank = -1
			if tail.isText(raw, pos) && (!hasFields || !tail.hasEnd) {
				b.repaired++
				fields.end(pos)
				return raw[pos:], nil
			}
		}
		if line.next > maxHeader {
			return nil, refuse(ErrTooComplex, "the header of the message is larger than %d octets", maxHeader)
		}
		fields.add(pos, line)
		pos = line.next
	}
	if blank >= 0 {
		fields.end(blank)
		return raw[afterBlank:], nil
	}
	fields.end(len(raw))
	return nil, nil
}

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
	start := bytes.TrimPrefix(bytes.TrimPrefix(line, bom), []byte(">"))
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

// nameLength returns the length of the field name at the start of a line, 0 if the line does
// not start a field (RFC 5322, section 2.2). A byte order mark before it does not count.
func nameLength(line []byte) int {
	line = bytes.TrimPrefix(line, bom)
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
	return lowerName(bytes.TrimPrefix(line, bom)[:nameLength(line)])
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
	lines = bytes.TrimPrefix(lines, bom)
	end := nameLength(lines)
	_, rest, _ := bytes.Cut(lines[end:], []byte(":"))
	value := unfold(rest)
	if strings.IndexByte(value, 0x1b) >= 0 { // ISO-2022-JP, whose octets are not to be taken for syntax
		value, _, _ = charset.DecodeFast([]byte(value), "", false)
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
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			v = append(v, ' ')
		}
	}
	return string(bytes.Trim(v, " \t\r"))
}
