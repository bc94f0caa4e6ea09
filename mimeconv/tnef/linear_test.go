package tnef

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"heyrelay/mimeconv/internal/fuzztest"
)

// Rich text of one piece again and again.
func TestRTFIsLinear(t *testing.T) {
	for _, unit := range []string{
		"a", "{", "}", "{}", "\\", "\\b ", "\\par ", "\\'e4", "\\u228 ", "\\u1 a", "{\\b ", "{\\*\\x ",
		"\\fromhtml1 ", "{\\*\\htmltag64 <p>}",
		"\\htmlrtf ", "\\htmlrtf0 ", "\\bin9 ", "\\bin999999999 ", "\\ansicpg1252 ",
		"{\\fonttbl{\\f0\\fcharset0 a;}}", "\\f0 ", "\\uc9 ", "\n", "-1",
	} {
		for _, start := range []string{"{\\rtf1 ", "{\\rtf1\\ansi\\fromhtml1 ", "{\\rtf1{\\*\\x "} {
			t.Run(fmt.Sprintf("%q, %q", start, unit), func(t *testing.T) {
				input := func(n int) []byte { return storedRTF(start + strings.Repeat(unit, n/len(unit))) }
				fuzztest.Linear(t, 32<<10, input, func(b []byte) { ReadRTF(b) })
			})
		}
	}
}

// storedRTF wraps rich text without compression ([MS-OXRTFCP], section 2.1.3.1).
func storedRTF(text string) []byte {
	head := make([]byte, 16)
	binary.LittleEndian.PutUint32(head, uint32(len(text)+12))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(text)))
	copy(head[8:], "MELA")
	return append(head, text...)
}

// Attributes of one kind again and again, and octets that are none.
func TestReadIsLinear(t *testing.T) {
	attribute := func(level byte, id uint32, data string) string {
		b := binary.LittleEndian.AppendUint32([]byte{level}, id)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
		sum := 0
		for _, c := range []byte(data) {
			sum += int(c)
		}
		return string(binary.LittleEndian.AppendUint16(append(b, data...), uint16(sum)))
	}
	for _, unit := range []string{
		"\x00", "\x01", "\xff", attribute(1, 0x00018004, "subject\x00"),
		attribute(2, 0x00069002, strings.Repeat("\x00", 14)),
		attribute(2, 0x0006800f, "data"), attribute(2, 0x00018010, "name\x00"),
		attribute(1, 0x00069003, "\x00\x00\x00\x00"),
		attribute(1, 0x00069003, "\xff\xff\xff\xff"),
		attribute(2, 0x00069005, "\x01\x00\x00\x00\x1e\x00\x01\x37"+
			"\x01\x00\x00\x00\x02\x00\x00\x00a\x00\x00\x00"),
	} {
		t.Run(fmt.Sprintf("%q", unit), func(t *testing.T) {
			const signature = "\x78\x9f\x3e\x22\x01\x00"
			input := func(n int) []byte { return []byte(signature + strings.Repeat(unit, n/len(unit))) }
			fuzztest.Linear(t, 32<<10, input, func(b []byte) { Read(b) })
		})
	}
}
