package mimeconv

import (
	"bytes"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strings"

	"github.com/jhillyerd/enmime/v2"

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
}

// newPart reads the MIME fields of a part. kind is the default type, which applies if the
// Content-Type is missing or invalid (RFC 2045, section 5.2).
func newPart(id string, get func(name string) string, kind string) *part {
	p := &part{id: id, kind: kind, encoding: get("Content-Transfer-Encoding")}
	if field := get("Content-Type"); field != "" {
		p.kind, p.params = parseMedia(field)
	}
	var params map[string]string
	p.disposition, params = parseMedia(get("Content-Disposition"))
	names := []string{params["filename"], p.params["name"], params["name"], p.params["filename"]}
	for _, name := range names {
		if p.name == "" {
			p.name = oneLine(decodeWords(name, p.params["charset"]))
		}
	}
	p.cid = strings.Trim(get("Content-ID"), "<> \t")
	// RFC 2557, section 4.4.2: a Content-Location may be folded anywhere.
	p.location = strings.Join(strings.Fields(get("Content-Location")), "")
	if !strings.Contains(p.kind, "/") {
		p.kind = bareKind(p)
	}
	return p
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
	data, w := decodeTransfer(p.raw, p.encoding)
	c.note(w, p.id)
	return data
}

// decodeText is decode for text, whose base64 may be followed by a footer.
func (c *converter) decodeText(p *part) []byte {
	if encodingName(p.encoding) != "base64" {
		return c.decode(p)
	}
	raw, footer := cutFooter(p.raw)
	if len(footer) == 0 {
		return c.decode(p)
	}
	data, w := decodeTransfer(raw, p.encoding)
	if w.Code != "" {
		return c.decode(p)
	}
	c.warn(EncodingRepaired, p.id, "text after the base64 data kept")
	return slices.Concat(data, []byte("\n"), footer)
}

// toUTF8 decodes the text of a part, and warns if its charset was guessed.
func (c *converter) toUTF8(id string, data []byte, declared string, isHTML bool) string {
	text, used, how := charset.Decode(data, declared, isHTML)
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

// tree reads the parts of a message. A structure that cannot be read leaves a
// root without children. The ids of the parts begin with prefix.
func (c *converter) tree(b *block, body []byte, prefix string) (*part, error) {
	for _, name := range []string{"content-type", "content-disposition"} {
		if len(b.get(name)) > maxMediaField {
			return nil, refuse(ErrTooComplex, "field %s is longer than %d octets", name, maxMediaField)
		}
	}
	root := newPart(prefix+"0", func(name string) string { return b.get(strings.ToLower(name)) }, "text/plain")
	root.raw = body
	if !isMultipart(root.kind) {
		return root, nil
	}
	before := c.fence
	for mends := 0; ; mends++ {
		w := &watch{fence: &c.fence, body: body, mendable: mends < maxMultiparts}
		bones := newSkeleton(body)
		parsed, err := readParts(w, b.get("content-type"), bones.body)
		switch {
		case w.err != nil:
			return nil, w.err
		case w.gaps != nil:
			c.warn(StructureRepaired, root.id, "text found in place of a part header")
			c.fence, body = before, mend(body, w.gaps)
			continue
		case err == nil:
			c.adopt(root, parsed, prefix, bones)
		}
		return root, nil
	}
}

// readParts has enmime find the parts of a multipart message. It gets the root's
// Content-Type alone for a header: the rest of the header is read by us. Content
// stays as transferred; decoding and charsets are ours too.
func readParts(w *watch, contentType string, body []byte) (root *enmime.Part, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("enmime panicked: %v", r)
		}
	}()
	parser := enmime.NewParser(
		enmime.RawContent(true),
		enmime.MultipartWOBoundaryAsSinglePart(true),
		enmime.MaxStoredPartErrors(10),
		enmime.SetCustomParseMediaType(w.media),
	)
	header := "Content-Type: " + contentType + "\r\n\r\n"
	return parser.ReadParts(io.MultiReader(strings.NewReader(header), bytes.NewReader(body)))
}

// adopt takes enmime's children of a part over into ours.
func (c *converter) adopt(p *part, parsed *enmime.Part, prefix string, bones *skeleton) {
	for _, e := range parsed.Errors {
		if e.Name == enmime.ErrorMissingBoundary {
			c.warn(StructureRepaired, p.id, "multipart without a closing delimiter")
		}
	}
	kind := "text/plain"
	if p.kind == "multipart/digest" { // RFC 2046, section 5.1.5
		kind = "message/rfc822"
	}
	if isMultipart(p.kind) && parsed.FirstChild == nil && len(p.raw) == 0 {
		c.warn(PartDropped, p.id, "multipart without parts")
	}
	for e := parsed.FirstChild; e != nil; e = e.NextSibling {
		header := textproto.MIMEHeader(e.Header)
		child := newPart(prefix+e.PartID, header.Get, kind)
		child.raw = bones.expand(e.Content)
		c.adopt(child, e, prefix, bones)
		p.children = append(p.children, child)
	}
}
