package mimeconv

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"heyrelay/mimeconv/charset"
	"heyrelay/mimeconv/tnef"
)

// isTNEF reports whether a part is labeled as TNEF.
func isTNEF(p *part) bool {
	switch p.kind {
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return true
	}
	return strings.EqualFold(p.name, "winmail.dat")
}

// tnefPart extracts the files of a winmail.dat, and its body if the message has no other. One
// that cannot be read to its end, or a message in it, stays a file, too: something may be missing.
func (c *converter) tnefPart(p *part) (content, error) {
	all, whole, err := c.unpackTNEF(p, false)
	if err != nil {
		return content{}, err
	}
	if !whole {
		all.files = append(all.files, file{part: p})
	}
	return all, nil
}

// unpackTNEF returns what can be read of a winmail.dat, or of a message that is forwarded in one, and
// whether that is all.
func (c *converter) unpackTNEF(p *part, isForwarded bool) (all content, whole bool, err error) {
	data := c.decode(p)
	if !bytes.HasPrefix(data, []byte(tnef.Signature)) {
		return content{}, false, nil
	}
	if err := c.fence.enter(); err != nil {
		return content{}, false, err
	}
	defer c.fence.leave()
	t := tnef.Read(data)
	if err := c.fence.addParts(len(t.Files)); err != nil {
		return content{}, false, err
	}
	whole = !t.Cut
	if isForwarded {
		fields := map[string]string{"From": tnefString(t.Sender), "Subject": tnefString(t.Subject)}
		all = forwardHead(func(name string) string { return fields[name] })
	}
	if isForwarded || !c.hasBody {
		body, err := c.tnefBody(p.id, &t)
		if err != nil {
			return content{}, false, err
		}
		all.add(body)
		if len(all.sections)+len(t.Files) == 0 {
			return content{}, false, nil
		}
	}
	c.warn(TNEFUnpacked, p.id, "winmail.dat unpacked: files: %d", len(t.Files))
	for i, f := range t.Files {
		child := tnefFile(fmt.Sprintf("%s/%d", p.id, i+1), f)
		if !f.IsMessage {
			all.files = append(all.files, file{part: child, related: len(f.ContentID.Data) > 0})
			continue
		}
		more, read, err := c.unpackTNEF(child, true)
		if err != nil {
			return content{}, false, err
		}
		whole = whole && read
		all.add(more)
	}
	return all, whole, nil
}

// tnefBody reads the forms of the body like those of a multipart/alternative.
func (c *converter) tnefBody(id string, t *tnef.Message) (content, error) {
	form := func(kind string, s tnef.String) (content, error) {
		return c.textPart(&part{id: id, kind: kind, params: map[string]string{"charset": s.Charset}, raw: s.Data})
	}
	text, err := form("text/plain", t.Text)
	if err != nil {
		return content{}, err
	}
	text.dropImageMarks()
	kind, doc := "text/html", t.HTML
	if len(bytes.TrimSpace(doc.Data)) == 0 && t.RTF != nil {
		kind, doc.Data = c.readRTF(t.RTF)
		doc.Charset = "utf-8"
	}
	if kind == "text/plain" && len(text.sections) > 0 {
		return text, nil
	}
	html, err := form(kind, doc)
	if err != nil {
		return content{}, err
	}
	return c.choose(html, text)
}

// readRTF extracts the text of rich text.
func (c *converter) readRTF(compressed []byte) (kind string, data []byte) {
	expanded := tnef.MaxExpanded(compressed)
	if !c.reserve(2 * expanded) { // with the text
		return "text/plain", nil
	}
	kind, data = tnef.ReadRTF(compressed)
	c.reserve(len(data) - 2*expanded)
	return kind, data
}

// dropImageMarks removes what stands for images in the text of a TNEF body.
func (c *content) dropImageMarks() {
	for i, s := range c.sections {
		c.sections[i].text = trimBlankLines(imageMark.ReplaceAllString(s.text, ""))
	}
	c.sections = slices.DeleteFunc(c.sections, func(s section) bool { return s.text == "" })
}

// imageMark is what stands for an image in the text of a TNEF body.
var imageMark = regexp.MustCompile(`\[cid:[^\]\n]*\]`)

// tnefFile returns a file as a part.
func tnefFile(id string, f tnef.File) *part {
	p := &part{
		id:          id,
		kind:        strings.ToLower(tnefString(f.Type)),
		disposition: "attachment",
		name:        cmp.Or(tnefString(f.LongName), tnefString(f.Name)),
		cid:         strings.Trim(tnefString(f.ContentID), "<> "),
		raw:         f.Data,
	}
	if !strings.Contains(p.kind, "/") {
		p.kind = "application/octet-stream"
	}
	if len(f.ContentID.Data) > 0 {
		p.disposition = "inline"
	}
	return p
}

// tnefString decodes a string to one line.
func tnefString(s tnef.String) string {
	text, _, _ := charset.Decode(s.Data, s.Charset, false)
	return oneLine(string(text))
}
