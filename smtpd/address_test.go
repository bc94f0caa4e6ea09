package smtpd

import (
	"net/mail"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestCheckAddress(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, test := range []struct {
		addr            string
		ascii, withUTF8 bool // accepted without and with SMTPUTF8
	}{
		{"bob@example.com", true, true},
		{"b@localhost", true, true},
		{"o'neil+tag.x_y-z!#$%&*/=?^`{|}~@example.com", true, true},
		{"BOB@EXAMPLE.COM", true, true},
		{"1@2.example", true, true},
		{"www-data@my_container_1", true, true},
		{"a@xn--bcher-kva.example", true, true},
		{long(64) + "@example.com", true, true},
		{long(65) + "@example.com", false, false},
		{"a@" + long(63) + ".example", true, true},
		{"a@" + long(64) + ".example", false, false},
		{long(64) + "@" + long(63) + "." + long(63) + "." + long(61), true, true}, // 254
		{long(64) + "@" + long(63) + "." + long(63) + "." + long(62), false, false},

		{"", false, false},
		{"bob", false, false},
		{"@example.com", false, false},
		{"bob@", false, false},
		{".bob@example.com", false, false},
		{"bob.@example.com", false, false},
		{"b..ob@example.com", false, false},
		{"bob@.example.com", false, false},
		{"bob@example.com.", false, false},
		{"bob@example..com", false, false},
		{"bob@-example.com", false, false},
		{"bob@example-.com", false, false},
		{"bob@exam ple.com", false, false},
		{"bob@[192.0.2.1]", false, false},
		{"bob@[IPv6:::1]", false, false},

		{"=?utf-8?q?a=2Cb?=@example.com", false, false}, // a comma once decoded
		{"x=?utf-8?b?YSxi?=y@example.com", false, false},
		{"a=?b@example.com", true, true},
		{"a?=b=?@example.com", true, true},
		{"x,cc:v@y@z", false, false}, // R9, as go-smtp gives it
		{"x@y,z@y", false, false},
		{"x;z@y", false, false},
		{"a@b@c", false, false},
		{"a b@c", false, false},
		{`"a b"@c`, false, false},
		{`a"b@c`, false, false},
		{`a\b@c`, false, false},
		{"a(b)@c", false, false},
		{"<a>@c", false, false},
		{"a\x00@c", false, false},
		{"a\r\n@c", false, false},
		{"a@c\n", false, false},
		{"a\t@c", false, false},
		{"a\x7f@c", false, false},

		{"jörg@example.com", false, true},
		{"jo\u0308rg@example.com", false, true},
		{"用户@例え.jp", false, true},
		{"अजय@डाटा.भारत", false, true},
		{"😀@example.com", false, true},
		{"joerg@bücher.example", false, true},
		{"joerg@BÜCHER.example", false, true},
		{"a@نامه\u200cای.com", false, true},   // a joiner where IDNA allows it
		{"a@exa\u200cmple.com", false, false}, // and where not
		{"j\xf6rg@example.com", false, false}, // Latin-1
		{"a@b\xfccher.example", false, false},
		{"a，b@example.com", false, false},      // a full-width comma
		{"a\u00a0b@example.com", false, false}, // white space
		{"a\u2028b@example.com", false, false},
		{"a\u202eb@example.com", false, false}, // invisible
		{"a\u0085b@example.com", false, false}, // control
		{"⑴@example.com", false, false},        // (1) once normalised
		{"a⒈@example.com", false, false},       // a1. once normalised
		{"℀@example.com", false, true},         // a/c, which is an atom
		{"a@ex。ample.com", false, false},       // maps to a dot
		{"a@ｅxample.com", false, false},        // maps to a letter
		{"a@b\u00adc.example", false, false},
		{"a@ü,b.example", false, false},
		{"a@ü b.example", false, false},
	} {
		if err := CheckAddress(test.addr, false); (err == nil) != test.ascii {
			t.Errorf("%q: %v", test.addr, err)
		}
		if err := CheckAddress(test.addr, true); (err == nil) != test.withUTF8 {
			t.Errorf("%q with SMTPUTF8: %v", test.addr, err)
		}
	}
}

func TestCleanSender(t *testing.T) {
	for from, want := range map[string]string{
		"":                        "",
		"bob@example.com":         "bob@example.com",
		"scan@[192.0.2.7]":        "scan@[192.0.2.7]",
		"scan@[IPv6:2001:db8::7]": "scan@[IPv6:2001:db8::7]",
		"scan@[192.0.2.700]":      "scan@[192.0.2.700]",
		"scan@x@[192.0.2.7]":      "scan@x@[192.0.2.7]",
		"ESP-CAM":                 "ESP-CAM",
		`"a b"@c.example`:         `"a b"@c.example`,
		"bob.@example.com":        "bob.@example.com",
		"bob@example.com.":        "bob@example.com",
		"bob@example.com..":       "bob@example.com..",
		"bob@.":                   "bob@.",
		"bob.":                    "bob.",
		"jörg@bücher.example":     "jörg@bücher.example",
		"j\xf6rg@example.com":     "jörg@example.com",
		"a\x00b@example.com":      "error",
		"a\rb@example.com":        "error",
		"a\x7fb@example.com":      "error",
		"a\u0085b@example.com":    "error",
		"a\x85b@example.com":      "error",
	} {
		got, err := cleanSender(from)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, %v, want %q", from, got, err, want)
		}
	}
}

// An accepted address is one address for other parsers too, and injects nothing: it contains
// no comma, quote, white space or control character, not even after normalization.
func FuzzCheckAddress(f *testing.F) {
	seeds := []string{
		"bob@example.com", `"x,cc:v@y"@z`, "jörg@bücher.example", "a⒈@example.com", "a@[::1]", "a@b\u200cc",
	}
	for _, seed := range seeds {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, addr string, smtpUTF8 bool) {
		if CheckAddress(addr, smtpUTF8) != nil {
			return
		}
		if CheckAddress(addr, true) != nil {
			t.Error("refused with SMTPUTF8 alone")
		}
		if !utf8.ValidString(addr) || len(addr) > 254 || strings.Count(addr, "@") != 1 {
			t.Errorf("accepted %q", addr)
		}
		for _, r := range norm.NFKC.String(addr) {
			if strings.ContainsRune(",;:\"\\<>()[]", r) || unicode.IsSpace(r) || unicode.IsControl(r) {
				t.Errorf("accepted %q, which has %q", addr, r)
			}
		}
		if got, err := mail.ParseAddress("<" + addr + ">"); err != nil || got.Address != addr {
			t.Errorf("accepted %q, which net/mail reads as %v, %v", addr, got, err)
		}
	})
}
