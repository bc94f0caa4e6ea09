package mimeconv

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"heyrelay/mimeconv/htmltext"
)

// section is a section of the body. It has at least one form, from which the other is made.
type section struct {
	html   string // as sent: a document or a fragment, in UTF-8
	text   string // plain, lines ended by "\n"
	isNote bool   // it stands for an encrypted part
}

// content is what a part of the tree contributes to the message.
type content struct {
	sections []section // in order, none is blank
	files    []file    // in order
}

// file is a leaf that is not part of the body. It becomes an attachment unless it is an image
// that the HTML shows.
type file struct {
	*part
	related  bool   // part of a multipart/related
	relative string // its Content-Location relative to the root of the multipart/related
}

// locate sets the Content-Location of a file relative to the document at base (RFC 2557,
// section 5).
func (f *file) locate(base string) {
	folder := base[:strings.LastIndexByte(base, '/')+1]
	f.relative = strings.TrimPrefix(f.location, folder)
}

func (c *content) add(more content) {
	c.sections = append(c.sections, more.sections...)
	c.files = append(c.files, more.files...)
}

// hasHTML reports whether any section was sent as HTML.
func (c *content) hasHTML() bool {
	return slices.ContainsFunc(c.sections, func(s section) bool { return s.html != "" })
}

// isNote reports whether nothing of it can be read.
func (c *content) isNote() bool {
	return !slices.ContainsFunc(c.sections, func(s section) bool { return !s.isNote })
}

// isWhole reports whether every section has a plain form.
func (c *content) isWhole() bool {
	return !slices.ContainsFunc(c.sections, func(s section) bool { return s.text == "" })
}

// walk sorts the leaves of a part into body and files (RFC 2046, section 5.1).
func (c *converter) walk(p *part) (content, error) {
	switch {
	case c.exhausted != nil:
		return content{}, c.exhausted
	case p.kind == "multipart/encrypted":
		return c.encryptedPart(p, encryption(p)), nil
	case isMessage(p.kind):
		return c.forwarded(p)
	case len(p.children) == 0:
		return c.leaf(p)
	case p.kind == "multipart/alternative":
		return c.alternative(p)
	case p.kind == "multipart/related":
		return c.related(p)
	}
	var all content
	for i, child := range p.children { // mixed, signed, digest, report and unknown types (section 5.1.3)
		if i > 0 && isCiphertext(p.children[i-1], child) {
			continue
		}
		more, err := c.walk(child)
		if err != nil {
			return content{}, err
		}
		all.add(more)
	}
	return all, nil
}

// isMessage reports whether a part is a message (RFC 2046, RFC 5537, RFC 6532).
func isMessage(kind string) bool {
	return kind == "message/rfc822" || kind == "message/global" || kind == "message/news"
}

// alternative chooses the last HTML and the last plain text alternative, since the last is
// the best (RFC 2046, section 5.1.4).
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
		case more.isNote(): // it replaces no alternative that can be read
			rest.add(more)
		case more.hasHTML():
			c.warnReplaced(html, child)
			rest.files = append(rest.files, html.files...)
			html = more
		default:
			c.warnReplaced(text, child)
			rest.files = append(rest.files, text.files...)
			text = more
		}
	}
	chosen, err := c.choose(html, text)
	if err != nil {
		return content{}, err
	}
	chosen.add(rest)
	for _, other := range others {
		more, err := c.otherAlternative(other, chosen)
		if err != nil {
			return content{}, err
		}
		chosen.add(more)
	}
	return chosen, nil
}

// warnReplaced warns that an alternative is replaced by a later one.
func (c *converter) warnReplaced(former content, by *part) {
	if len(former.sections) > 0 {
		c.warn(AlternativeDropped, by.id, "alternative dropped: %s replaces it", quote(by.kind))
	}
}

// otherAlternative reads an alternative that cannot be the body. Without a body, or where it is a
// misplaced attachment, it is kept as a file.
func (c *converter) otherAlternative(p *part, body content) (content, error) {
	if len(body.sections) == 0 || isFile(p) {
		return c.walk(p)
	}
	return c.unsupported(p, body)
}

// unsupported drops an alternative of an unsupported type, except for what a calendar adds to the
// body.
func (c *converter) unsupported(p *part, body content) (content, error) {
	var more content
	var err error
	if isCalendar(p.kind) {
		more, err = c.calendarAlternative(p, body)
	}
	if err == nil && len(more.sections)+len(more.files) == 0 {
		c.warn(AlternativeDropped, p.id, "alternative %s dropped: unsupported type", quote(p.kind))
	}
	return more, err
}

// choose combines the HTML and the plain form of the same body.
func (c *converter) choose(html, text content) (content, error) {
	files := append(text.files, html.files...)
	switch {
	case len(html.sections) == 0:
		return content{text.sections, files}, nil
	case len(text.sections) == 0 || html.isWhole():
		return content{html.sections, files}, nil
	}
	doc, err := c.joinHTML(html.sections)
	if err != nil {
		return content{}, err
	}
	plain, err := c.joinText(text.sections)
	if err != nil {
		return content{}, err
	}
	return content{[]section{{html: doc, text: plain}}, files}, nil
}

// isUnderstood reports whether an alternative can be a body.
func isUnderstood(p *part) bool {
	return p.kind == "text/plain" || p.kind == "text/html" ||
		isMultipart(p.kind) || strings.HasPrefix(p.kind, "message/")
}

// isFile reports whether an alternative is a misplaced attachment.
func isFile(p *part) bool {
	if strings.HasPrefix(p.kind, "text/") {
		return p.disposition == "attachment" && p.kind != "text/calendar"
	}
	return p.disposition == "attachment" || p.name != "" || p.cid != ""
}

// related uses the root as the body and the other parts as files that it references. The
// start parameter names the root, else it is the first part (RFC 2387, section 3).
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

// forwarded converts a message within the message to its main header fields and its body.
// Its files become files of the outer message, and where it is asked for it is itself one.
func (c *converter) forwarded(p *part) (content, error) {
	b, inner, err := c.message(p.id, c.decode(p))
	if err != nil {
		return content{}, err
	}
	var all content
	all.add(forwardHead(func(name string) string {
		return b.text(b.all(strings.ToLower(name), ", "))
	}))
	all.add(inner)
	if c.options.Attachments == Link && c.options.LinkMessages {
		named := *p
		noPath := strings.NewReplacer("/", "_", `\`, "_")
		named.name = cmp.Or(p.name, noPath.Replace(cmp.Or(b.subject(), "message"))+extension(p.kind))
		all.files = append(all.files, file{part: &named})
	}
	return all, nil
}

// message converts the message within the part of that id.
func (c *converter) message(id string, raw []byte) (block, content, error) {
	if err := c.fence.enter(); err != nil {
		return block{}, content{}, err
	}
	defer c.fence.leave()
	b, body, err := readBlock(raw, &c.fence.guesses)
	if err != nil {
		return block{}, content{}, err
	}
	inner, err := c.read(&b, body, id+"/")
	return b, inner, err
}

// forwardHead formats the header of a forwarded message as mail programs do. field returns the
// value of a field.
func forwardHead(field func(name string) string) content {
	head := "---------- Forwarded message ----------"
	found := false
	for _, name := range []string{"From", "Date", "Subject", "To", "Cc"} {
		if value := field(name); value != "" {
			head += "\n" + name + ": " + value
			found = true
		}
	}
	if !found {
		return content{}
	}
	return content{sections: []section{{text: head}}}
}

// leaf converts a leaf to a section of the body or a file.
func (c *converter) leaf(p *part) (content, error) {
	switch method := encryption(p); {
	case method != "":
		return c.encryptedPart(p, method), nil
	case isSignature(p):
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

// isBody reports whether a leaf is text to display (RFC 2183, section 2.1). A text with a file
// name but no disposition is a file unless it is the first text.
func (c *converter) isBody(p *part) bool {
	switch p.kind {
	case "text/rtf", "text/vcard", "text/x-vcard":
		return false
	}
	switch {
	case isReturnedHeader(p.kind) || isFields(p.kind):
		return true
	case isMultipart(p.kind):
		return true // its boundary is unusable
	case !strings.HasPrefix(p.kind, "text/"):
		return false
	case p.disposition == "inline":
		return true
	case p.disposition == "attachment":
		return p.name == "" && strings.HasSuffix("/"+p.id, "/0")
	}
	return p.name == "" || !c.hasBody
}

// isFields reports whether a part consists of fields to read, as the parts of reports do (RFC 3464,
// RFC 3886, RFC 5965, RFC 6533, RFC 8098).
func isFields(kind string) bool {
	subtype, ok := strings.CutPrefix(kind, "message/")
	return ok && subtype != "partial" && subtype != "external-body"
}

// textPart converts a leaf that is text.
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
		if err := c.fence.addParts(len(cut)); err != nil {
			return content{}, err
		}
		c.warn(UUDecoded, p.id, "uuencoded files extracted from the text: %d", len(cut))
	}
	all := content{files: uuFiles(p, cut)}
	switch {
	case isHTML && htmltext.HasContent(text):
		s.html = joinSurrogates(declareUTF8(text))
	case isHTML || htmltext.IsBlank(text):
		return all, nil
	case strings.EqualFold(p.params["format"], "flowed"):
		s.text = trimBlankLines(unflow(text, strings.EqualFold(p.params["delsp"], "yes")))
	case p.kind == "text/enriched" || p.kind == "text/richtext":
		s.text = trimBlankLines(readEnriched(text, p.kind == "text/richtext"))
	default:
		s.text = trimBlankLines(text)
	}
	if rest, ok := cutArmor(s.text); ok {
		all.add(c.encryptedPart(p, pgp))
		s.text = rest
	}
	if s.html == "" && s.text == "" {
		return all, nil
	}
	c.hasBody = true
	all.sections = append(all.sections, s)
	return all, nil
}

// readText decodes the text of a part, within the limits for all parts together.
func (c *converter) readText(p *part, isHTML bool) (string, error) {
	data := c.decodeText(p)
	if len(data) > 2*c.maxBody { // no charset takes more than two octets for each octet of UTF-8
		return "", c.errTooLarge()
	}
	if isReturnedHeader(p.kind) {
		data = c.publicHeader(p.id, data)
	}
	declared := p.params["charset"]
	if strings.HasPrefix(p.kind, "message/global") { // RFC 6533, section 3
		declared = cmp.Or(declared, "utf-8")
	}
	text, dropped := cleanText(c.toUTF8(p.id, data, declared, isHTML))
	c.reserve(len(text))
	if dropped > 0 {
		c.warn(ControlDropped, p.id, "control characters removed: %d", dropped)
	}
	c.size += len(text)
	if c.size > c.maxBody {
		return "", c.errTooLarge()
	}
	if isHTML {
		c.tags += strings.Count(text, "<")
	}
	if c.tags > maxTags {
		return "", refuse(ErrTooComplex, "the HTML of the message has more than %d tags", maxTags)
	}
	return text, nil
}

// isReturnedHeader reports whether a part is the header of a message that a report returns (RFC 3462,
// section 2; RFC 6533, section 4).
func isReturnedHeader(kind string) bool {
	switch kind {
	case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
		return true
	}
	return false
}

// publicHeader removes the fields that nobody may see from a returned header.
func (c *converter) publicHeader(id string, header []byte) []byte {
	if !c.reserve(len(header)) {
		return nil
	}
	public := Public(header)
	if len(public) < len(header) {
		c.warn(BccDropped, id, "Bcc field of the returned message removed")
	}
	return public
}

// errTooLarge rejects a message whose text is too large.
func (c *converter) errTooLarge() *Error {
	return refuse(ErrTooLarge, "the text of the message is larger than %s", size(int64(c.maxBody)))
}
