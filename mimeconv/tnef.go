package mimeconv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/text/encoding/unicode"

	"heyrelay/mimeconv/charset"
)

// TNEF is what Outlook and Exchange put a message into when they take its reader
// for one of their own: winmail.dat. It is a list of attributes; two of them hold
// lists of MAPI properties. The names are those of MS-OXTNEF and MS-OXPROPS.
const (
	tnefSignature = "\x78\x9f\x3e\x22"

	attBody           = 0x0002800c
	attMsgProps       = 0x00069003
	attAttachRendData = 0x00069002 // begins a file
	attAttachTitle    = 0x00018010
	attAttachData     = 0x0006800f
	attAttachment     = 0x00069005 // its properties
	attOemCodepage    = 0x00069007
)

// The MAPI properties that matter here.
const (
	pidBody          = 0x1000
	pidRtfCompressed = 0x1009
	pidHTML          = 0x1013
	pidCodepage      = 0x3fde // of pidHTML
	pidDisplayName   = 0x3001
	pidAttachData    = 0x3701
	pidShortName     = 0x3704
	pidLongName      = 0x3707
	pidMimeTag       = 0x370e
	pidContentID     = 0x3712
)

// tnef is what is in a winmail.dat. It aliases what it was read from.
type tnef struct {
	codepage            uint32 // of strings that are not Unicode
	htmlCodepage        uint32
	text, html, richTxt []byte
	unicodeText         bool // text is UTF-8
	files               []tnefFile
}

type tnefFile struct {
	name, longName, kind, cid string
	data                      []byte
	message                   bool // data is a message in TNEF
}

// isTNEF reports whether a part says that it is TNEF.
func isTNEF(p *part) bool {
	switch p.kind {
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return true
	}
	return strings.EqualFold(p.name, "winmail.dat")
}

// tnefPart takes the files out of a winmail.dat, and the body where the message
// has no other.
func (c *converter) tnefPart(p *part) (content, error) {
	data := c.decode(p)
	if !bytes.HasPrefix(data, []byte(tnefSignature)) {
		return content{files: []file{{part: p}}}, nil
	}
	if c.fence.forwards++; c.fence.forwards > maxForwards {
		return content{}, refuse(ErrTooComplex, "more than %d messages are nested in one another", maxForwards)
	}
	defer func() { c.fence.forwards-- }()
	t := readTNEF(data)
	if c.fence.parts += len(t.files); c.fence.parts > maxParts {
		return content{}, refuse(ErrTooComplex, "the message has more than %d parts", maxParts)
	}
	var all content
	if !c.hasBody {
		body, err := c.tnefBody(p.id, &t)
		if err != nil {
			return content{}, err
		}
		if len(body.sections)+len(t.files) == 0 {
			return content{files: []file{{part: p}}}, nil
		}
		all.add(body)
	}
	c.warn(TNEFUnpacked, p.id, "winmail.dat was unpacked: files: %d", len(t.files))
	for i, f := range t.files {
		child := f.part(fmt.Sprintf("%s/%d", p.id, i+1))
		if !f.message {
			all.files = append(all.files, file{part: child, related: f.cid != ""})
			continue
		}
		more, err := c.tnefPart(child)
		if err != nil {
			return content{}, err
		}
		all.add(more)
	}
	return all, nil
}

// tnefBody reads the forms of the body that are there, as an alternative does.
func (c *converter) tnefBody(id string, t *tnef) (content, error) {
	form := func(kind string, data []byte, charset string) (content, error) {
		return c.textPart(&part{id: id, kind: kind, params: map[string]string{"charset": charset}, raw: data})
	}
	charset := codepageName(t.codepage)
	if t.unicodeText {
		charset = "utf-8"
	}
	text, err := form("text/plain", t.text, charset)
	if err != nil {
		return content{}, err
	}
	kind, doc, charset := "text/html", t.html, codepageName(t.htmlCodepage)
	if len(bytes.TrimSpace(doc)) == 0 && t.richTxt != nil {
		kind, doc = readRTF(expandRTF(t.richTxt))
		charset = "utf-8"
	}
	if kind == "text/plain" && len(text.sections) > 0 {
		return text, nil
	}
	html, err := form(kind, doc, charset)
	if err != nil {
		return content{}, err
	}
	return choose(html, text)
}

// part makes a part of a file.
func (f *tnefFile) part(id string) *part {
	p := &part{id: id, kind: strings.ToLower(oneLine(f.kind)), disposition: "attachment", cid: strings.Trim(oneLine(f.cid), "<> "), raw: f.data}
	if !strings.Contains(p.kind, "/") {
		p.kind = "application/octet-stream"
	}
	if f.cid != "" {
		p.disposition = "inline"
	}
	if p.name = oneLine(f.longName); p.name == "" {
		p.name = oneLine(f.name)
	}
	return p
}

// readTNEF reads as much of it as there is.
func readTNEF(data []byte) tnef {
	var t tnef
	r := tnefReader(data)
	r.next(uint32(len(tnefSignature)) + 2) // and a key
	for len(r) > 9 {
		r.next(1) // whether it belongs to the message or to a file: its id says so too
		id, size := r.uint32(), r.uint32()
		t.attribute(id, r.next(size))
		r.next(2) // a checksum, which some programs get wrong
	}
	return t
}

// attribute takes one attribute.
func (t *tnef) attribute(id uint32, value []byte) {
	if id == attAttachRendData {
		t.files = append(t.files, tnefFile{})
	}
	var f *tnefFile
	if len(t.files) > 0 {
		f = &t.files[len(t.files)-1]
	}
	switch {
	case id == attOemCodepage:
		r := tnefReader(value)
		t.codepage = r.uint32()
	case id == attBody:
		t.text = bytes.TrimRight(value, "\x00")
	case id == attMsgProps:
		readProps(value, t.messageProp)
	case f == nil:
	case id == attAttachTitle:
		f.name = t.string8(value)
	case id == attAttachData:
		f.data = value
	case id == attAttachment:
		readProps(value, func(p mapiProp) { t.fileProp(f, p) })
	}
}

// messageProp takes a property of the message.
func (t *tnef) messageProp(p mapiProp) {
	switch p.id {
	case pidBody:
		if text := t.string(p); text != "" {
			t.text, t.unicodeText = []byte(text), true
		}
	case pidHTML:
		t.html = bytes.TrimRight(p.value, "\x00")
		if p.kind == mapiUnicode {
			t.html, t.htmlCodepage = []byte(t.string(p)), 65001
		}
	case pidRtfCompressed:
		t.richTxt = p.value
	case pidCodepage:
		r := tnefReader(p.value)
		t.htmlCodepage = r.uint32()
	}
}

// fileProp takes a property of a file.
func (t *tnef) fileProp(f *tnefFile, p mapiProp) {
	switch p.id {
	case pidLongName:
		f.longName = t.string(p)
	case pidShortName, pidDisplayName:
		if f.name == "" {
			f.name = t.string(p)
		}
	case pidMimeTag:
		f.kind = t.string(p)
	case pidContentID:
		f.cid = t.string(p)
	case pidAttachData:
		f.data = p.value
		const idLength = 16 // of the interface through which an object is read
		if p.kind == mapiObject && len(f.data) >= idLength {
			f.data = f.data[idLength:]
			f.message = bytes.HasPrefix(f.data, []byte(tnefSignature))
		}
	}
}

// string8 reads a string in the message's code page.
func (t *tnef) string8(value []byte) string {
	text, _, _ := charset.Decode(bytes.TrimRight(value, "\x00"), codepageName(t.codepage), false)
	return text
}

// string reads the string of a property.
func (t *tnef) string(p mapiProp) string {
	if p.kind != mapiUnicode {
		return t.string8(p.value)
	}
	text, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Bytes(p.value)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text), "\x00")
}

// codepageName is the charset of a Windows code page; "" where it is not known.
func codepageName(n uint32) string {
	switch {
	case n == 65001:
		return "utf-8"
	case n == 20127:
		return "us-ascii"
	case n >= 1250 && n <= 1258:
		return fmt.Sprintf("windows-%d", n)
	case n >= 28591 && n <= 28605:
		return fmt.Sprintf("iso-8859-%d", n-28590)
	case n == 932 || n == 936 || n == 949 || n == 950:
		return fmt.Sprintf("cp%d", n)
	case n == 50220 || n == 50221 || n == 50222:
		return "iso-2022-jp"
	case n == 20866:
		return "koi8-r"
	}
	return ""
}

// tnefReader reads numbers, the lowest octet first. Behind the end all is zero.
type tnefReader []byte

func (r *tnefReader) next(n uint32) []byte {
	b := (*r)[:min(uint64(n), uint64(len(*r)))]
	*r = (*r)[len(b):]
	return b
}

func (r *tnefReader) uint32() uint32 {
	var b [4]byte
	copy(b[:], r.next(4))
	return binary.LittleEndian.Uint32(b[:])
}
