package mimeconv

import (
	"bytes"
	"strings"
)

// The content types of CMS (RFC 5652, RFC 5083), encoded in BER.
const (
	oidSigned        = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidEnveloped     = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
	oidEncrypted     = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"
	oidAuthEnveloped = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17"
)

// isCMS reports whether a leaf is opaque S/MIME: a message wrapped in CMS (RFC 8551, section
// 3.2). Some gateways change the media type and keep only the file name.
func isCMS(p *part) bool {
	switch p.kind {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	case "application/octet-stream":
		return strings.HasSuffix(strings.ToLower(p.name), ".p7m")
	}
	return false
}

// signedPart converts the message within an opaque signature. A part with certificates only
// (RFC 8551, section 3.8) contains no message.
func (c *converter) signedPart(p *part) (content, error) {
	signed, ok := signedContent(c.decode(p))
	switch {
	case !c.reserve(len(signed)):
		return content{}, c.exhausted
	case !ok:
		return content{files: []file{{part: p}}}, nil
	case len(bytes.TrimSpace(signed)) == 0:
		c.warn(PartDropped, p.id, "part %s dropped: it holds certificates only", quote(p.name))
		return content{}, nil
	}
	c.warn(SignatureDropped, p.id, "signature removed: it covers the original message")
	_, all, err := c.message(p.id, signed)
	return all, err
}

// signedContent returns the content of a CMS SignedData (RFC 5652, section 5.1). ok is false
// if data is something else.
func signedContent(data []byte) (content []byte, ok bool) {
	info := (&ber{rest: data}).enter(berSequence)
	if kind, _ := info.next(); string(kind.content) != oidSigned {
		return nil, false
	}
	signed := info.enter(berContext0).enter(berSequence)
	signed.next() // version
	signed.next() // digest algorithms
	inner := signed.enter(berSequence)
	inner.next() // its type
	wrapped := inner.enter(berContext0)
	octets, _ := wrapped.next()
	return octets.octets(maxBER), true
}

// contentType returns the content type of CMS data.
func contentType(data []byte) string {
	info := (&ber{rest: data}).enter(berSequence)
	kind, _ := info.next()
	return string(kind.content)
}

// The tags of BER that are used (X.690, section 8).
const (
	berOctets   = 0x04
	berSequence = 0x30
	berContext0 = 0xa0 // [0] EXPLICIT

	berConstructed = 0x20 // flag: it consists of elements
)

// maxBER bounds nested elements. SignedData nests its content seven deep, and nested elements
// are read once for each level.
const maxBER = 12

// ber reads a sequence of BER elements. Lengths may be indefinite and the end may be missing.
type ber struct {
	rest  []byte
	depth int // nesting depth of these elements
}

// berElement is an element. It aliases the data it was read from.
type berElement struct {
	tag     byte
	content []byte
}

// enter reads the next element and returns a reader of its content. The reader is empty if
// the element does not have that tag.
func (r *ber) enter(tag byte) *ber {
	e, ok := r.next()
	if !ok || e.tag != tag {
		return new(ber)
	}
	return &ber{rest: e.content, depth: r.depth + 1}
}

// next reads the next element.
func (r *ber) next() (e berElement, ok bool) {
	if len(r.rest) < 2 || r.depth > maxBER {
		return e, false
	}
	e.tag = r.rest[0]
	size, n := berLength(r.rest[1:])
	r.rest = r.rest[1+n:]
	switch {
	case n == 0:
		r.rest = nil
		return e, false
	case size < 0:
		e.content, r.rest = r.untilEnd()
	default:
		size = min(size, len(r.rest))
		e.content, r.rest = r.rest[:size], r.rest[size:]
	}
	return e, true
}

// berLength parses a length and returns the number of octets it takes, 0 if it is invalid.
// size is -1 for an indefinite length.
func berLength(b []byte) (size, n int) {
	first := b[0]
	n = int(first & 0x7f)
	switch {
	case first < 0x80:
		return n, 1
	case n == 0:
		return -1, 1
	case n > 4 || n >= len(b):
		return 0, 0
	}
	for _, c := range b[1 : 1+n] {
		size = size<<8 | int(c)
	}
	return size, 1 + n
}

// untilEnd splits the rest at the two zeros that end an element of indefinite length.
func (r *ber) untilEnd() (content, rest []byte) {
	inner := ber{rest: r.rest, depth: r.depth + 1}
	for {
		left := inner.rest
		if bytes.HasPrefix(left, []byte{0, 0}) {
			return r.rest[:len(r.rest)-len(left)], left[2:]
		}
		if _, ok := inner.next(); !ok {
			return r.rest, nil
		}
	}
}

// octets returns the value of an OCTET STRING, which can consist of others.
func (e berElement) octets(depth int) []byte {
	switch {
	case e.tag == berOctets:
		return e.content
	case e.tag != berOctets|berConstructed || depth == 0:
		return nil
	}
	var all []byte
	inner := ber{rest: e.content}
	for {
		piece, ok := inner.next()
		if !ok {
			return all
		}
		all = append(all, piece.octets(depth-1)...)
	}
}
