package mimeconv

import (
	"slices"
	"strings"
	"testing"
)

// Public removes the fields that nobody may see with all of their lines, and nothing else.
func TestPublic(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"nothing to hide", "To: a@x\r\n\r\nBcc: b@x\r\n", "To: a@x\r\n\r\nBcc: b@x\r\n"},
		{"Bcc", "To: a@x\r\nbCC : b@x,\r\n\tc@x\r\nCc: d@x\r\n\r\nHi\r\n", "To: a@x\r\nCc: d@x\r\n\r\nHi\r\n"},
		{"Resent-Bcc", "Resent-Bcc: b@x\r\nTo: a@x\r\n\r\n", "To: a@x\r\n\r\n"},
		{"control headers", "X-Heymarket-Title: T\r\nX-Heymarket: x\r\nTo: a@x\r\n\r\n", "X-Heymarket: x\r\nTo: a@x\r\n\r\n"},
		{"a damaged name", "To: a@x\r\nB cc: b@x\r\nCc: d@x\r\n\r\nHi", "To: a@x\r\nCc: d@x\r\n\r\nHi"},
		{"a line that is not folded", "Bcc: b@x,\r\nc@x\r\nTo: a@x\r\n\r\nHi", "To: a@x\r\n\r\nHi"},
		{"bare line ends", "To: a@x\nBcc: b@x\n c@x\n\nHi\n", "To: a@x\n\nHi\n"},
		{"the last field", "To: a@x\r\nBcc: b@x\r\n", "To: a@x\r\n"},
		{"a byte order mark", "\ufeffBcc: b@x\r\nTo: a@x\r\n\r\n", "To: a@x\r\n\r\n"},
		{"odd octets", "To: \xff\x00\r\n\r\n.\x00\r\n..", "To: \xff\x00\r\n\r\n.\x00\r\n.."},
		{
			"empty lines behind our Received", "Received: from x\r\n\tby y\r\n\r\nBcc: b@x\r\nTo: a@x\r\n\r\nHi",
			"Received: from x\r\n\tby y\r\n\r\nTo: a@x\r\n\r\nHi",
		},
	} {
		if got := string(Public([]byte(c.raw))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Public takes out whole lines alone, and finds nothing more in what it returns.
func FuzzPublic(f *testing.F) {
	f.Add("Received: x\n\nBcc: b@x\n c@x\nTo: a@x\n\nBcc: text\n")
	f.Add("B cc: b@x\nX-Heymarket-Title: T\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		raw := strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\n", "\r\n") // as intake stores it
		public := string(Public([]byte(raw)))
		rest := strings.SplitAfter(raw, "\r\n")
		for line := range strings.SplitAfterSeq(public, "\r\n") {
			i := slices.Index(rest, line)
			if i < 0 && line != "" {
				t.Fatalf("%q is no line of %q", line, raw)
			}
			rest = rest[i+1:]
		}
		if again := string(Public([]byte(public))); again != public {
			t.Fatalf("%q, and once more %q", public, again)
		}
	})
}
