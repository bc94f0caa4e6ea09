package mimeconv

import (
	"bytes"
	"slices"
	"strings"

	"heyrelay/mimeconv/htmltext"
)

// section is a stretch of the body. At least one of its forms is there; the
// other is made from it.
type section struct {
	html string // as its writer wrote it: a document or a fragment, in UTF-8
	text string // plain, lines ended by "\n"
}

// content is what a part of the tree gives to the message.
type content struct {
	sections []section // in order, none of them blank
	files    []file    // what is no body, in order
}

// file is a leaf that is no body. It becomes an attachment, unless the HTML
// shows it or nobody would miss it.
type file struct {
	*part
	related  bool   // belongs to a multipart/related, not to the reader
	relative string // its Content-Location, as the root of that can write it
}

// locate says where a file is to the document at base, which names it so (RFC
// 2557, section 5).
func (f *file) locate(base string) {
	folder := base[:strings.LastIndexByte(base, '/')+1]
	f.relative = strings.TrimPrefix(f.location, folder)
}

func (c *content) add(more content) {
	c.sections = append(c.sections, more.sections...)
	c.files = append(c.files, more.files...)
}

// hasHTML reports whether any of it was sent as HTML.
func (c *content) hasHTML() bool {
	return slices.ContainsFunc(c.sections, func(s section) bool { return s.html != "" })
}

// isWhole reports whether all its HTML was sent with its plain form.
func (c *content) isWhole() bool {
	return !slices.ContainsFunc(c.sections, func(s section) bool { return s.text == "" })
}

// walk chooses what of a part is body and what is file. RFC 2046, section 5.1.
func (c *converter) walk(p *part) (content, error) {
	switch {
	case p.kind == "multipart/encrypted": // RFC 1847, section 2.2
		return content{}, errEncrypted()
	case p.kind == "message/rfc822" || p.kind == "message/global":
		return c.forwarded(p)
	case len(p.children) == 0:
		return c.leaf(p)
	case p.kind == "multipart/alternative":
		return c.alternative(p)
	case p.kind == "multipart/related":
		return c.related(p)
	}
	var all content
	for _, child := range p.children { // mixed, signed, digest, report, unknown (section 5.1.3)
		more, err := c.walk(child)
		if err != nil {
			return content{}, err
		}
		all.add(more)
	}
	return all, nil
}

// alternative chooses the last HTML and the last plain text that it is offered:
// the later, the better (RFC 2046, section 5.1.4), and we can use one of each.
func (c *converter) alternative(p *part) (content, error) {
	var html, text, rest content
	var others []*part
	for _, child := range p.children {
		if !isUnderstood(child) {
			others = append(others, child)
			continue
		}
		more, err := c.walk(child)
		if err != nil {
			return content{}, err
		}
		switch {
		case more.hasHTML():
			rest.files = append(rest.files, html.files...)
			html = more
		case len(more.sections) > 0:
			rest.files = append(rest.files, text.files...)
			text = more
		default:
			rest.add(more)
		}
	}
	chosen, err := choose(html, text)
	if err != nil {
		return content{}, err
	}
	chosen.add(rest)
	for _, other := range others {
		// A file that stands where no file belongs is still a file.
		if len(chosen.sections) > 0 && !isFile(other) {
			c.warn(AlternativeDropped, other.id, "alternative %s dropped: unsupported type", quote(other.kind))
			continue
		}
		more, err := c.walk(other)
		if err != nil {
			return content{}, err
		}
		chosen.add(more)
	}
	return chosen, nil
}

// choose makes one content of the HTML and the plain form of the same body.
func choose(html, text content) (content, error) {
	files := append(text.files, html.files...)
	switch {
	case len(html.sections) == 0:
		return content{text.sections, files}, nil
	case len(text.sections) == 0 || html.isWhole():
		return content{html.sections, files}, nil
	}
	doc, err := joinHTML(html.sections)
	if err != nil {
		return content{}, err
	}
	plain, err := joinText(text.sections)
	if err != nil {
		return content{}, err
	}
	return content{[]section{{html: doc, text: plain}}, files}, nil
}

// isUnderstood reports whether an alternative can become a body.
func isUnderstood(p *part) bool {
	return p.kind == "text/plain" || p.kind == "text/html" || isMultipart(p.kind) || strings.HasPrefix(p.kind, "message/")
}

// isFile reports whether an alternative is a file that its sender misplaced.
func isFile(p *part) bool {
	if strings.HasPrefix(p.kind, "text/") {
		return p.disposition == "attachment" && p.kind != "text/calendar"
	}
	return p.disposition == "attachment" || p.name != "" || p.cid != ""
}

// related takes the root for the body, and the rest for what the root shows.
// RFC 2387, section 3: the root is named by start, else it is the first.
func (c *converter) related(p *part) (content, error) {
	root := p.children[0]
	if start := strings.Trim(p.params["start"], "<> \t"); start != "" {
		for _, child := range p.children {
			if child.cid == start {
				root = child
			}
		}
	}
	all, err := c.walk(root)
	if err != nil {
		return content{}, err
	}
	for _, child := range p.children {
		if child == root {
			continue
		}
		more, err := c.walk(child)
		if err != nil {
			return content{}, err
		}
		for i := range more.files {
			more.files[i].related = true
			more.files[i].locate(root.location)
		}
		all.add(more)
	}
	return all, nil
}

// forwarded shows a message within the message: who wrote what to whom, then its
// body. Its files are the outer message's files.
func (c *converter) forwarded(p *part) (content, error) {
	b, inner, err := c.message(p.id, c.decode(p))
	if err != nil {
		return content{}, err
	}
	var all content
	if head := forwardHead(&b); head != "" {
		all.sections = append(all.sections, section{text: head})
	}
	all.add(inner)
	return all, nil
}

// message reads a message within the part of that id.
func (c *converter) message(id string, raw []byte) (block, content, error) {
	if c.fence.forwards++; c.fence.forwards > maxForwards {
		return block{}, content{}, refuse(ErrTooComplex, "messages are nested more than %d deep", maxForwards)
	}
	defer func() { c.fence.forwards-- }()
	b, body, err := readBlock(raw)
	if err != nil {
		return block{}, content{}, err
	}
	inner, err := c.read(&b, body, id+"/")
	return b, inner, err
}

// forwardHead is the header of a forwarded message, as mail programs show it.
func forwardHead(b *block) string {
	var lines []string
	for _, name := range []string{"From", "Date", "Subject", "To", "Cc"} {
		if value := b.text(b.all(strings.ToLower(name), ", ")); value != "" {
			lines = append(lines, name+": "+value)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return "---------- Forwarded message ----------\n" + strings.Join(lines, "\n")
}

// leaf is a body or a file.
func (c *converter) leaf(p *part) (content, error) {
	switch {
	case isEncrypted(p):
		return content{}, errEncrypted()
	case isSignature(p.kind):
		c.warn(SignatureDropped, p.id, "signature %s dropped: it covers the original message", p.kind)
		return content{}, nil
	case len(bytes.TrimSpace(p.raw)) == 0:
		if p.name != "" {
			c.warn(PartDropped, p.id, "part %s dropped: it is empty", quote(p.name))
		}
		return content{}, nil
	case isCMS(p):
		return c.signedPart(p)
	case isTNEF(p):
		return c.tnefPart(p)
	case isCalendar(p.kind):
		return c.calendarPart(p)
	case !c.isBody(p):
		return content{files: []file{{part: p}}}, nil
	}
	return c.textPart(p)
}

// isBody reports whether a leaf is text for the reader to see at once. RFC 2183,
// section 2.1; a file name without a disposition makes a file of a text unless
// it is the only one so far.
func (c *converter) isBody(p *part) bool {
	switch p.kind {
	case "text/rtf", "text/vcard", "text/x-vcard":
		return false
	case "message/delivery-status", "message/disposition-notification": // RFC 3464, RFC 8098: fields to read
		return true
	}
	switch {
	case isMultipart(p.kind):
		return true // one whose boundary cannot be used
	case !strings.HasPrefix(p.kind, "text/"):
		return false
	case p.disposition == "inline":
		return true
	case p.disposition == "attachment":
		return p.name == "" && strings.HasSuffix("/"+p.id, "/0")
	}
	return p.name == "" || !c.hasBody
}

// textPart reads a leaf that is text.
func (c *converter) textPart(p *part) (content, error) {
	isHTML := p.kind == "text/html"
	text, err := c.readText(p, isHTML)
	if err != nil {
		return content{}, err
	}
	if isMultipart(p.kind) {
		c.warn(BodyAsText, p.id, "cannot parse the MIME structure: the body is shown as is")
	}
	var s section
	var cut []*part
	if !isHTML {
		text, cut = cutUU(text)
	}
	if len(cut) > 0 {
		if c.fence.parts += len(cut); c.fence.parts > maxParts {
			return content{}, refuse(ErrTooComplex, "the message has more than %d parts", maxParts)
		}
		c.warn(UUDecoded, p.id, "uuencoded files extracted from the text: %d", len(cut))
	}
	all := content{files: uuFiles(p, cut)}
	switch {
	case isHTML && htmltext.HasContent(text):
		s.html = declareUTF8(text)
	case isHTML || htmltext.IsBlank(text):
		return all, nil
	case strings.EqualFold(p.params["format"], "flowed"):
		s.text = trimBlankLines(unflow(text, strings.EqualFold(p.params["delsp"], "yes")))
	default:
		s.text = trimBlankLines(text)
	}
	if isArmored(s.text) {
		return content{}, errEncrypted()
	}
	c.hasBody = true
	all.sections = []section{s}
	return all, nil
}

// readText decodes the text of a part, within the bounds of what all parts have.
func (c *converter) readText(p *part, isHTML bool) (string, error) {
	data := c.decodeText(p)
	if len(data) > 2*maxBody { // no charset takes more than two octets for one of UTF-8
		return "", errTooLarge()
	}
	text, dropped := cleanText(c.toUTF8(p.id, data, p.params["charset"], isHTML))
	if dropped > 0 {
		c.warn(ControlDropped, p.id, "control characters removed: %d", dropped)
	}
	if c.size += len(text); c.size > maxBody {
		return "", errTooLarge()
	}
	if isHTML {
		c.tags += strings.Count(text, "<")
	}
	if c.tags > maxTags {
		return "", refuse(ErrTooComplex, "the HTML of the message has more than %d tags", maxTags)
	}
	return text, nil
}

// errTooLarge refuses a message whose text is over the bound.
func errTooLarge() *Error {
	return refuse(ErrTooLarge, "the text of the message is larger than %d MiB", maxBody>>20)
}
