package smtpd

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// utf16Order returns the byte order of a message that is wholly in UTF-16, as programs for Windows write
// text, with a byte order mark or without; nil for any other message.
func utf16Order(raw []byte) binary.ByteOrder {
	const sample = 8 // bytes: a field name and its colon have four characters
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		text := withoutMark(raw, order)
		isUTF16 := len(text) >= sample
		for at := 0; isUTF16 && at < sample; at += 2 {
			c := order.Uint16(text[at:])
			isUTF16 = ' ' <= c && c <= '~'
		}
		if isUTF16 {
			return order
		}
	}
	return nil
}

// withoutMark returns a message without the byte order mark in front of it.
func withoutMark(raw []byte, order binary.ByteOrder) []byte {
	const byteOrderMark = 0xfeff
	if len(raw) >= 2 && order.Uint16(raw) == byteOrderMark {
		return raw[2:]
	}
	return raw
}

// appendUTF8 appends a message in UTF-16 to dst: at most one and a half times its bytes. It overwrites raw.
func appendUTF8(dst, raw []byte, order binary.ByteOrder) []byte {
	for raw = restoreLFs(withoutMark(raw, order)); len(raw) >= 2; raw = raw[2:] {
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

// restoreLFs removes from a message in UTF-16, in place, what a client has added that took each octet for a
// character: a CR before every LF, and line ends behind it.
func restoreLFs(raw []byte) []byte {
	raw = bytes.TrimRight(raw, "\r\n")
	if bytes.Count(raw, crlf) < bytes.Count(raw, crlf[1:]) { // those that are there are its own
		return raw
	}
	restored := raw[:0]
	for i, c := range raw {
		if !bytes.HasPrefix(raw[i:], crlf) {
			restored = append(restored, c)
		}
	}
	return restored
}
