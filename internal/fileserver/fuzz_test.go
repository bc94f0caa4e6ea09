package fileserver

import (
	"mime"
	"strings"
	"testing"
	"unicode"
)

// FuzzDisposition gives any name a field that is one line, and that clients read.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{
		"a.pdf", "Übersicht.pdf", `"`, "\r\nX: y", "%41", "\xff", "; filename=b", "..", "\u2028",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		field := disposition("attachment", name)
		if strings.ContainsFunc(field, unicode.IsControl) {
			t.Errorf("%q: %q", name, field)
		}
		kind, read, err := mime.ParseMediaType(field)
		if err != nil || kind != "attachment" || len(read) != 1 || read["filename"] == "" {
			t.Errorf("%q: %q is read as %q %q, %v", name, field, kind, read, err)
		}
		if strings.ContainsAny(read["filename"], `/\`) {
			t.Errorf("%q: %q names a folder", name, read["filename"])
		}
	})
}
