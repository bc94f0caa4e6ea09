package mimeconv

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"strings"
	"sync"

	"heyrelay/mimeconv/htmltext"
	"heyrelay/mimeconv/linkblock"
)

// Convert converts a raw message to the bodies and the title of an API request, according to
// the policies of its route. raw is only read and the result does not alias it; what o.Link is
// passed does. The error is an [*Error] or the error of o.Link or o.Reserve. Equal input gives
// equal output.
func Convert(raw []byte, o Options) (Message, error) {
	if len(raw) > maxRaw {
		return Message{}, refuse(ErrTooLarge, "the message is larger than %d MiB", maxRaw>>20)
	}
	c := &converter{options: o, maxBody: maxBody}
	if o.MaxBody > 0 {
		c.maxBody = min(o.MaxBody, maxBody)
	}
	spare := spares.Get().(*[]byte)
	c.decoded = *spare
	m, err := c.convert(raw)
	if cap(c.decoded) <= maxSpare {
		*spare = c.decoded
	}
	spares.Put(spare)
	if c.exhausted != nil { // what follows it is a consequence
		return Message{}, c.exhausted
	}
	return m, err
}

// spares are *[]byte for converter.decoded. Conversion has copied what was in them.
var spares = sync.Pool{New: func() any { return new([]byte) }}

// maxSpare bounds a spare, in octets. What is larger is rare.
const maxSpare = 256 << 10

func (c *converter) convert(raw []byte) (Message, error) {
	b, body, err := c.readBlock(raw)
	if err != nil {
		return Message{}, err
	}
	c.warnHeader(&b)
	all, err := c.read(&b, body, "")
	if err != nil {
		return Message{}, err
	}
	if c.isUnreadable(all) {
		return Message{}, errEncrypted()
	}
	m, err := c.assemble(all, b.subject())
	if err != nil {
		return Message{}, err
	}
	m.Warnings = c.warnings
	return m, nil
}

// converter is the state of one conversion.
type converter struct {
	options      Options
	maxBody      int    // octets
	decoded      []byte // of the text part that is read
	exhausted    error  // of Options.Reserve; nothing more is made
	fence        fence
	warnings     []Warning
	size         int            // of all text decoded, in octets
	tags         int            // number of tags in all HTML
	hasBody      bool           // a text part was converted
	hasEncrypted bool           // a part is encrypted
	linked       linkblock.Data // the files that are linked

	// Calendars.
	invited   map[string]bool            // those that the body contains, by their summaries
	compared  int                        // number of those that were compared with a body
	calendars map[[sha256.Size]byte]bool // the digests of those that are linked
}

// warnHeader warns about header fields that the API does not support.
func (c *converter) warnHeader(b *block) {
	if b.repaired > 0 {
		c.warn(HeaderRepaired, "", "invalid header lines: %d", b.repaired)
	}
	if from := b.text(b.get("from")); from != "" {
		c.warn(FromReplaced, "From", "sent from the inbox address instead of %s", shorten(from))
	}
	if replyTo := b.text(b.get("reply-to")); replyTo != "" {
		c.warn(ReplyToReplaced, "Reply-To", "replies go to the inbox instead of %s", shorten(replyTo))
	}
	if b.get("bcc") != "" || b.hidden > 0 {
		c.warn(BccDropped, "Bcc", "Bcc field removed")
	}
}

// read converts the body of a message, the outer one or a forwarded one.
func (c *converter) read(b *block, body []byte, prefix string) (content, error) {
	root, err := c.tree(b, body, prefix)
	if err != nil {
		return content{}, err
	}
	all, err := c.walk(root)
	if err != nil || c.exhausted != nil {
		return content{}, err
	}
	stray := c.strayText(root, all)
	if stray == nil {
		return all, nil
	}
	text, err := c.textPart(stray)
	text.add(all)
	return text, err
}

// strayText returns the text of a multipart outside its parts, as a part. It is nil if there is none,
// or if a part has text: programs do not show it then (RFC 2046, section 5.1.1).
func (c *converter) strayText(root *part, all content) *part {
	stray := *root
	isHollow := len(root.children) > 0 && len(all.sections) == 0 && root.isHollow()
	if isHollow {
		stray.raw = c.prose(root.raw)
	} else {
		stray.kind, stray.encoding = "text/plain", ""
		stray.raw = c.outside(root)
	}
	switch {
	case len(bytes.TrimSpace(stray.raw)) == 0:
		return nil
	case len(all.sections) > 0:
		c.warn(TextDropped, root.id, "text outside the parts dropped: %s", size(int64(len(stray.raw))))
		return nil
	case !isHollow:
		c.warn(StructureRepaired, root.id, "text outside the parts kept")
	}
	return &stray
}

// outside returns the text of a multipart that is in none of its parts.
func (c *converter) outside(p *part) []byte {
	var text []byte
	for _, piece := range p.outside {
		text = append(text, c.prose(piece)...)
	}
	for _, child := range p.children {
		text = append(text, c.outside(child)...)
	}
	return text
}

// isHollow reports whether a multipart consists of empty parts.
func (p *part) isHollow() bool {
	if len(p.children) == 0 {
		return !isMultipart(p.kind) && len(bytes.TrimSpace(p.raw)) == 0
	}
	for _, child := range p.children {
		if !child.isHollow() {
			return false
		}
	}
	return true
}

// prose returns the lines of the body of a multipart that are neither delimiters nor MIME fields:
// text outside of any part. The usual note for old mail programs is none.
func (c *converter) prose(body []byte) []byte {
	if !c.reserve(len(body)) {
		return nil
	}
	text := make([]byte, 0, len(body))
	inField := false
	for len(body) > 0 {
		var line []byte
		line, body = cutAfterLine(body)
		isBlank := len(bytes.TrimSpace(line)) == 0
		inField = isContentField(line) || inField && !isBlank && isFolded(line)
		if !inField && !bytes.HasPrefix(line, []byte("--")) {
			text = append(text, line...)
		}
	}
	if isNote(text) {
		return nil
	}
	return text
}

// maxNote bounds a note such as "This is a multi-part message in MIME format.", in octets.
const maxNote = 300

// isNote reports whether text is such a note. Some do not mention MIME.
func isNote(text []byte) bool {
	if len(text) >= maxNote {
		return false
	}
	lower := strings.ToLower(string(text))
	for _, mark := range []string{"mime", "multi-part message", "multipart message"} {
		if strings.Contains(lower, mark) {
			return true
		}
	}
	return false
}

// assemble builds the message from its content.
func (c *converter) assemble(all content, subject string) (Message, error) {
	html, err := c.joinHTML(all.sections)
	if err != nil {
		return Message{}, err
	}
	text, err := c.joinText(all.sections)
	if err != nil {
		return Message{}, err
	}
	images := findImages(html, all.files)
	attachments, err := c.sortFiles(all.files, images)
	if err != nil {
		return Message{}, err
	}
	html, err = c.placeImages(html, images)
	if err != nil {
		return Message{}, err
	}
	b, err := c.placeAttachments(bodies{html, text}, attachments)
	if err != nil {
		return Message{}, err
	}
	b, err = c.addBlock(b)
	if err != nil {
		return Message{}, err
	}
	if len(images) > 0 && !htmltext.HasContent(b.html) {
		b.html = "" // it consisted of images that were dropped
	}
	return c.finish(b, subject)
}

// finish ensures that no body is empty or too large, and adds the title.
func (c *converter) finish(b bodies, subject string) (Message, error) {
	m := Message{HTML: b.html, Text: b.text}
	noHTML, noText := b.html == "", htmltext.IsBlank(b.text)
	switch {
	case noHTML && noText && subject == "":
		return Message{}, refuse(ErrEmpty, "the message has neither a body nor a Subject")
	case noHTML && noText:
		c.warn(BodyFromSubject, "", "no body: the Subject is sent as the body")
		m.HTML, m.Text = c.writeHTML(subject), subject
	case noHTML:
		m.HTML = c.writeHTML(b.text)
	case noText && subject == "":
		c.warn(TextEmpty, "", "the HTML contains no text")
		m.Text = "(no text)"
	case noText:
		c.warn(TextEmpty, "", "the HTML contains no text: the Subject is sent as the plain text body")
		m.Text = subject
	}
	if len(m.HTML) > c.maxBody || len(m.Text) > c.maxBody {
		return Message{}, c.errTooLarge()
	}
	var cut bool
	m.Title, cut = title(cmp.Or(c.options.Title, subject))
	if cut {
		c.warn(TitleCut, "", "title truncated to %d characters", maxTitle)
	}
	m.Start = htmltext.Start(m.HTML)
	return m, nil
}
