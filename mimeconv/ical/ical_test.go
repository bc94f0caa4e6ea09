package ical

import (
	"strings"
	"testing"
	"unicode/utf8"

	"heyrelay/mimeconv/internal/fuzztest"
)

// FuzzSummarize checks that any calendar gives clean text of bounded length, and that the
// result is deterministic.
func FuzzSummarize(f *testing.F) {
	fuzztest.AddKept(f)
	for _, s := range []string{
		"BEGIN:VEVENT\nSUMMARY:a\\,b\nDTSTART;TZID=\"x:y\":20261103T100000\n" +
			"DURATION:PT1H30M\nRRULE:FREQ=WEEKLY;COUNT=3\nEND:VEVENT",
		"BEGIN:VTODO\nDUE;VALUE=DATE:20261103\nATTENDEE;CN=B;PARTSTAT=ACCEPTED:mailto:b@x.example\n" +
			"DESCRIPTION:a\\n\n b",
		"METHOD:CANCEL\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nBEGIN:VALARM\nSUMMARY:x\nEND:VALARM\n" +
			"DTSTART:20261103\nDTEND:20261105\nEND:VEVENT\nEND:VCALENDAR",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.Map(func(r rune) rune {
			if isControl(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(text, "?"))
		var got string
		fuzztest.Bounded(t, len(text), func() { got = Summarize(text).Text })
		if !utf8.ValidString(got) || strings.ContainsFunc(got, isControl) || got != Summarize(text).Text {
			t.Errorf("Summarize(%q) = %q", text, got)
		}
		if strings.HasPrefix(text, "BEGIN:VEVENT\nSUMMARY") && got == "" {
			t.Errorf("no summary of %q", text)
		}
		if len(got) > 3*len(text)+1000 {
			t.Errorf("%d octets of %d", len(got), len(text))
		}
	})
}

// isControl reports whether r is a control character that callers remove beforehand.
func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }
