package mimeconv

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	"heyrelay/mimeconv/htmltext"
)

// ReadHeader reads the header of a raw message. Of the body, it inspects at most the charset.
// raw is only read and the result does not alias it. Invalid input is read as a person would
// read it. The only error is an [*Error] of kind [ErrTooComplex], for a header larger than 256
// KiB.
func ReadHeader(raw []byte) (Header, error) {
	b, body, err := readBlock(raw, new(guesses))
	if err != nil {
		return Header{}, err
	}
	h := Header{read: parsed{block: b, end: len(raw) - len(body), guesses: *b.guesses}}
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
	h.Hidden = b.countHidden()
	h.Resent = b.resent()
	return h, nil
}

// parsed is a header as readBlock returned it.
type parsed struct {
	block   block
	end     int     // where the body starts
	guesses guesses // for its block
}

// readBlock splits a message into its header and its body as the function of that name does, or as
// that has already done for ReadHeader.
func (c *converter) readBlock(raw []byte) (b block, body []byte, err error) {
	if c.options.Header == nil {
		return readBlock(raw, &c.fence.guesses)
	}
	read := &c.options.Header.read
	c.fence.guesses = read.guesses
	b = read.block
	b.guesses = &c.fence.guesses
	return b, raw[read.end:], nil
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
		n := len(cur.To) + len(cur.Cc) + len(cur.Bcc)
		if n > 0 {
			blocks = append(blocks, cur)
		}
		addresses += n
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
		case "resent-bcc":
			cur.Bcc = b.addresses(f.value)
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
