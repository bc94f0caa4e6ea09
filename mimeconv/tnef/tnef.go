// Package tnef extracts the body and the files of a winmail.dat: the format (TNEF,
// MS-OXTNEF) in which Outlook and Exchange wrap messages to each other.
//
// A winmail.dat is a list of attributes (tnef.go). Two of them contain lists of MAPI
// properties (mapi.go), named as in MS-OXPROPS. The body is often in compressed RTF only,
// which may encapsulate HTML (rtf.go). Damaged data is read as far as possible, and
// Message.Cut says so; there are no errors.
package tnef

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/text/encoding/unicode"

	"heyrelay/mimeconv/charset"
)

// Signature is the start of every winmail.dat.
const Signature = "\x78\x9f\x3e\x22"

// The attributes that are read.
const (
	attSubject        = 0x00018004
	attBody           = 0x0002800c
	attMsgProps       = 0x00069003
	attAttachRendData = 0x00069002 // starts a file
	attAttachTitle    = 0x00018010
	attAttachData     = 0x0006800f
	attAttachment     = 0x00069005 // properties of the file
	attOemCodepage    = 0x00069007
)

// The MAPI properties that are read.
const (
	pidSubject       = 0x0037
	pidSender        = 0x0c1a
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

// Message is the content of a winmail.dat. It may alias the data it was read from.
type Message struct {
	Sender, Subject String // the sender's name
	Text, HTML      String
	RTF             []byte // compressed, see ReadRTF; nil if there is none
	Files           []File
	Cut             bool // data ends within an attribute: files may be missing, or lack their end
}

// File is an attached file.
type File struct {
	Name, LongName String // prefer LongName if it is not empty
	Type           String // media type
	ContentID      String // with or without angle brackets
	Data           []byte
	IsMessage      bool // Data is a nested message in TNEF
}

// String is text and its charset, "" if the winmail.dat names none that is known.
type String struct {
	Data    []byte
	Charset string
}

// Read parses a winmail.dat as far as possible. data is only read.
func Read(data []byte) Message {
	var m messageReader
	r := reader(data)
	r.next(uint32(len(Signature)) + 2) // and a key
	for len(r) > 9 {
		r.next(1) // level, message or file: the id implies it
		id, size := r.uint32(), r.uint32()
		m.Cut = uint64(size) > uint64(len(r))
		m.attribute(id, r.next(size))
		r.next(2) // checksum, which some programs get wrong
	}
	m.HTML.Charset = codepageName(m.htmlCodepage)
	return m.Message
}

// messageReader is the state of Read.
type messageReader struct {
	Message
	codepage     uint32 // of strings that are not Unicode
	htmlCodepage uint32
}

// attribute processes one attribute.
func (m *messageReader) attribute(id uint32, value []byte) {
	if id == attAttachRendData {
		m.Files = append(m.Files, File{})
	}
	var f *File
	if len(m.Files) > 0 {
		f = &m.Files[len(m.Files)-1]
	}
	switch {
	case id == attOemCodepage:
		r := reader(value)
		m.codepage = r.uint32()
	case id == attSubject:
		m.Subject = m.string8(value)
	case id == attBody:
		m.Text = m.string8(value)
	case id == attMsgProps:
		readProps(value, m.messageProp)
	case f == nil:
	case id == attAttachTitle:
		f.Name = m.string8(value)
	case id == attAttachData:
		f.Data = value
	case id == attAttachment:
		readProps(value, func(p mapiProp) { m.fileProp(f, p) })
	}
}

// messageProp processes a property of the message.
func (m *messageReader) messageProp(p mapiProp) {
	switch p.id {
	case pidSubject:
		m.Subject = m.string(p)
	case pidSender:
		m.Sender = m.string(p)
	case pidBody:
		if text := m.string(p); len(text.Data) > 0 {
			m.Text = text
		}
	case pidHTML:
		m.HTML.Data = bytes.TrimRight(p.value, "\x00")
		if p.kind == mapiUnicode {
			m.HTML.Data, m.htmlCodepage = m.string(p).Data, codepageUTF8
		}
	case pidRtfCompressed:
		m.RTF = p.value
	case pidCodepage:
		r := reader(p.value)
		m.htmlCodepage = r.uint32()
	}
}

// fileProp processes a property of a file.
func (m *messageReader) fileProp(f *File, p mapiProp) {
	switch p.id {
	case pidLongName:
		f.LongName = m.string(p)
	case pidShortName, pidDisplayName:
		if len(f.Name.Data) == 0 {
			f.Name = m.string(p)
		}
	case pidMimeTag:
		f.Type = m.string(p)
	case pidContentID:
		f.ContentID = m.string(p)
	case pidAttachData:
		f.Data = p.value
		const idLength = 16 // of the interface id that precedes an object
		if p.kind == mapiObject && len(f.Data) >= idLength {
			f.Data = f.Data[idLength:]
			f.IsMessage = bytes.HasPrefix(f.Data, []byte(Signature))
		}
	}
}

// string8 returns a string in the code page of the message.
func (m *messageReader) string8(value []byte) String {
	return String{bytes.TrimRight(value, "\x00"), codepageName(m.codepage)}
}

// string returns the value of a string property.
func (m *messageReader) string(p mapiProp) String {
	if p.kind != mapiUnicode {
		return m.string8(p.value)
	}
	text, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Bytes(p.value)
	if err != nil {
		return String{}
	}
	return String{bytes.TrimRight(text, "\x00"), "utf-8"}
}

const codepageUTF8 = 65001

// codepageName returns the charset of a Windows code page, "" if it is unknown.
func codepageName(n uint32) string {
	name := charset.Name(fmt.Sprintf("cp%d", n))
	if _, known := charset.Lookup(name); !known {
		return ""
	}
	return name
}

// reader reads little-endian numbers. Past the end, all octets are zero.
type reader []byte

func (r *reader) next(n uint32) []byte {
	b := (*r)[:min(uint64(n), uint64(len(*r)))]
	*r = (*r)[len(b):]
	return b
}

func (r *reader) uint32() uint32 {
	var b [4]byte
	copy(b[:], r.next(4))
	return binary.LittleEndian.Uint32(b[:])
}
