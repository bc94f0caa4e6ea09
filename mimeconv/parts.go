package mimeconv

import (
	"slices"
	"strings"

	"heyrelay/mimeconv/charset"
)

// part is a node in the tree of a message.
type part struct {
	id          string            // part id of enmime, "0" for the root
	kind        string            // media type, in lower case
	params      map[string]string // of the media type
	disposition string            // "inline", "attachment" or ""
	name        string            // decoded file name, "" if there is none
	cid         string            // Content-ID without brackets
	location    string            // Content-Location, by which the HTML may reference it
	encoding    string            // Content-Transfer-Encoding
	raw         []byte            // content of a leaf, still encoded; can alias the message
	children    []*part           // of a multipart
	outside     [][]byte          // text of a multipart that is in none of them
}

// newPart reads the MIME fields of a part. kind is the default type, which applies if the
// Content-Type is missing or invalid (RFC 2045, section 5.2).
func newPart(id string, header *block, kind string) *part {
	p := &part{id: id, kind: kind, encoding: header.get("content-transfer-encoding")}
	if field := header.get("content-type"); field != "" {
		p.kind, p.params = parseMedia(field)
	}
	p.kind = usualKind(p.kind)
	var params map[string]string
	p.disposition, params = parseMedia(header.get("content-disposition"))
	names := []string{params["filename"], p.params["name"], params["name"], p.params["filename"]}
	for _, name := range names {
		if p.name == "" {
			p.name = oneLine(decodeWords(header.guesses, cutField(name), p.params["charset"]))
		}
	}
	p.cid = strings.Trim(header.get("content-id"), "<> \t")
	// RFC 2557, section 4.4.2: a Content-Location may be folded anywhere.
	p.location = strings.Join(strings.Fields(header.get("content-location")), "")
	if !strings.Contains(p.kind, "/") {
		p.kind = bareKind(p)
	}
	return p
}

// usualKind returns the media type that is meant by other names of it.
func usualKind(kind string) string {
	switch kind {
	case "text/htm", "text/x-html", "text/xhtml", "html/text", "html", "application/html", "application/xhtml+xml":
		return "text/html"
	case "text/text", "text/txt", "text/ascii", "text/x-plain", "plain/text", "plain", "application/text",
		"application/plain":
		return "text/plain"
	case "text/x-enriched", "application/enriched":
		return "text/enriched"
	}
	return kind
}

// bareKind returns the media type for a type without a subtype.
func bareKind(p *part) string {
	switch {
	case p.kind == "multipart":
		return "multipart/mixed"
	case p.kind != "text" && (p.name != "" || p.disposition == "attachment"):
		return "application/octet-stream"
	}
	return "text/plain"
}

// decode decodes the transfer encoding of a leaf.
func (c *converter) decode(p *part) []byte {
	if !c.reserve(p.decodedSize()) {
		return nil
	}
	data, w := decodeTransfer(p.raw, p.encoding)
	c.note(w, p.id)
	return data
}

// decodeText is decode for text: its base64 may be followed by a footer, or be plain words, and
// its quoted-printable may contain the line ends twice. The result is valid until the next call.
func (c *converter) decodeText(p *part) []byte {
	switch encodingName(p.encoding) {
	case "quotedprintable":
		if !c.reserve(p.decodedSize()) {
			return nil
		}
		var clean bool
		c.decoded, clean = appendPrintable(c.decoded[:0], p.raw, printableText)
		c.note(printableWarning(!clean), p.id)
		return c.decoded
	case "base64":
	default:
		return c.decode(p)
	}
	if isFalseBase64(p.raw, p.params["charset"]) {
		c.warn(EncodingRepaired, p.id, notBase64)
		return p.raw
	}
	raw, footer := cutFooter(p.raw)
	if len(footer) == 0 || !c.reserve(len(p.raw)) {
		return c.decode(p)
	}
	data, w := decodeTransfer(raw, p.encoding)
	if w.Code != "" {
		return c.decode(p)
	}
	c.warn(EncodingRepaired, p.id, "text after the base64 data kept")
	return slices.Concat(data, []byte("\n"), footer)
}

// toUTF8 decodes the text of a part, and warns if its charset was guessed. The result can alias data.
func (c *converter) toUTF8(id string, data []byte, declared string, isHTML bool) []byte {
	text, used, how := c.fence.guesses.decode(data, declared, isHTML)
	c.reserve(len(text))
	label := charset.Name(declared)
	switch {
	case how == charset.Unknown:
		c.warn(CharsetUnknown, id, "unknown charset %s: read as %s", quote(label), used)
	case how == charset.Guessed && label == "":
		c.warn(CharsetGuessed, id, "no charset declared: read as %s", used)
	case how == charset.Guessed:
		c.warn(CharsetGuessed, id, "declared charset %s is wrong: read as %s", quote(label), used)
	}
	return text
}

// tree reads the parts of a message. The root has no children if the body contains no
// delimiter. The ids of the parts start with prefix.
func (c *converter) tree(b *block, body []byte, prefix string) (*part, error) {
	if err := b.checkMedia(); err != nil {
		return nil, err
	}
	root := newPart(prefix+"0", b, "text/plain")
	root.raw = body
	if !isMultipart(root.kind) {
		return root, nil
	}
	o, err := newOutline(&c.fence, body, root.params["boundary"])
	if o == nil && err == nil && root.decodedSize() > 0 {
		o, err = c.encodedOutline(root)
	}
	if o == nil || err != nil {
		return root, err
	}
	return root, c.grow(root, o, prefix)
}

// encodedOutline reads the structure of a multipart with a transfer encoding, which RFC 2045, section
// 6.4, forbids. It returns nil if the decoded content contains no delimiter.
func (c *converter) encodedOutline(p *part) (*outline, error) {
	decoded := c.decode(p)
	o, err := newOutline(&c.fence, decoded, p.params["boundary"])
	if o != nil {
		c.warn(StructureRepaired, p.id, "multipart with the transfer encoding %s", quote(p.encoding))
		p.raw, p.encoding = decoded, ""
	}
	return o, err
}

// grow adds the parts of a multipart, whose ids start with prefix.
func (c *converter) grow(p *part, o *outline, prefix string) error {
	if o.textInHeaders {
		c.warn(StructureRepaired, p.id, "text found in place of a part header")
	}
	tree, err := o.tree()
	if err != nil { // the body is shown as it is
		return nil
	}
	return c.adopt(p, tree, prefix)
}

// adopt adds the children of a part.
func (c *converter) adopt(p *part, place *node, prefix string) error {
	if damage := place.part.damage; damage != "" {
		c.warn(StructureRepaired, p.id, "%s", damage)
	}
	p.outside = place.part.outside
	kind := "text/plain"
	if p.kind == "multipart/digest" { // RFC 2046, section 5.1.5
		kind = "message/rfc822"
	}
	if isMultipart(p.kind) && len(place.children) == 0 && len(p.raw) == 0 {
		c.warn(PartDropped, p.id, "multipart without parts")
	}
	for _, below := range place.children {
		from := below.part
		child := newPart(prefix+below.id, &from.header, kind)
		child.raw = from.content
		if from.header.repaired > 0 {
			c.warn(HeaderRepaired, child.id, "invalid header lines: %d", from.header.repaired)
		}
		if err := c.adopt(child, below, prefix); err != nil {
			return err
		}
		if err := c.adoptEncoded(child); err != nil {
			return err
		}
		p.children = append(p.children, child)
	}
	return nil
}

// adoptEncoded adds the children of a multipart within another one that has a transfer encoding.
func (c *converter) adoptEncoded(p *part) error {
	if !isMultipart(p.kind) || len(p.children) > 0 || p.decodedSize() == 0 {
		return nil
	}
	if err := c.fence.enter(); err != nil {
		return err
	}
	defer c.fence.leave()
	o, err := c.encodedOutline(p)
	if o == nil || err != nil {
		return err
	}
	return c.grow(p, o, p.id+"/")
}
