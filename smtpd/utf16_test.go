package smtpd

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// A message in UTF-16, as Out-File of PowerShell writes it, is read, also behind a client that takes its octets
// for characters.
func TestUTF16(t *testing.T) {
	const text = "From: app@app.test\r\nSubject: Größe 😀\r\n\r\n.hidden\r\n中文\r\n"
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, mark := range []string{"", "\ufeff"} {
			var raw []byte
			for _, unit := range utf16.Encode([]rune(mark + text)) {
				raw = order.AppendUint16(raw, unit)
			}
			before := string(raw)
			if got := string(RepairLineEndings(raw)); got != text || string(raw) != before {
				t.Errorf("%v %q: %q", order, mark, got)
			}
			for _, sent := range []string{before, strings.ReplaceAll(before+"\n", "\n", "\r\n")} {
				handler := &recorder{}
				h := open(t, Settings{}, handler)
				c := h.dial(t)
				c.begin()
				c.say(sent+"\r\n.", "250 ")
				if got := handler.messages()[0].raw; got != text {
					t.Errorf("%v %q: %q is %q", order, mark, sent, got)
				}
				h.stop(t)
				if used := h.memory.used; used != 0 {
					t.Errorf("%d bytes are still charged", used)
				}
			}
		}
	}
}

// What is not wholly UTF-16 is left as it is.
func TestNoUTF16(t *testing.T) {
	for _, raw := range []string{
		"", "\xff\xfe", "\xff\xfeF\x00", "F\x00r\x00", "\xff\xfe\x00\x00\x00\x00\x00\x00\x00\x00",
		"From: a@a.test\r\n\r\nF\x00r\x00o\x00m\x00:\x00 \x00\r\n",
	} {
		if order := utf16Order([]byte(raw)); order != nil {
			t.Errorf("%q: %v", raw, order)
		}
	}
}
