package smtpd

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Order returns the byte order of a message that is wholly in UTF-16, as programs for Windows write
// text, with a byte order mark or without; nil for any other message. Its line ends must be whole: a
// program that has changed single octets of them has made it unreadable.
func utf16Order(raw []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		text := withoutEnvelope(raw, order)
		isUTF16 := len(text) >= 8
		for at := 0; isUTF16 && at < 8; at += 2 { // a field name and its colon have four characters
			c := order.Uint16(text[at:])
			isUTF16 = ' ' <= c && c <= '~'
		}
		if isUTF16 && !bytes.Contains(text, crlf) {
			return order
		}
	}
	return nil
}

// withoutEnvelope returns a message in UTF-16 without the byte order mark in front of it, and without the
// line end that a client adds to what does not end with one.
func withoutEnvelope(raw []byte, order binary.ByteOrder) []byte {
	const byteOrderMark = 0xfeff
	if len(raw) >= 2 && order.Uint16(raw) == byteOrderMark {
		raw = raw[2:]
	}
	return bytes.TrimSuffix(raw, crlf)
}

// appendUTF8 appends a message in UTF-16 to dst: at most one and a half times its bytes.
func appendUTF8(dst, raw []byte, order binary.ByteOrder) []byte {
	for raw = withoutEnvelope(raw, order); len(raw) >= 2; raw = raw[2:] {
		r := rune(order.Uint16(raw))
		if utf16.IsSurrogate(r) && len(raw) >= 4 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(raw[2:]))); pair != utf8.RuneError {
				r, raw = pair, raw[2:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
