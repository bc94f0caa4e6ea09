package mimeconv

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"heyrelay/mimeconv/charset"
	"heyrelay/mimeconv/htmltext"
	"heyrelay/mimeconv/internal/fuzztest"
)

// FuzzConvert checks what holds for every input: no panic, an Error or a message in valid UTF-8
// that is never empty, and the same result twice.
func FuzzConvert(f *testing.F) {
	fuzztest.AddKept(f)
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no testdata", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := slices.Clone(raw)
		h, err := ReadHeader(raw)
		checkError(t, err)
		checkHeader(t, h)
		link := func(a Attachment) (string, error) {
			checkAttachment(t, a)
			return "https://files.example/1", nil
		}
		for _, o := range []Options{
			{},
			{Attachments: Drop, InlineImages: Drop},
			{Attachments: Link, InlineImages: Link, Link: link, LinkCalendars: true, LinkMessages: true},
		} {
			var m Message
			fuzztest.Bounded(t, len(raw), func() { m, err = Convert(raw, o) })
			checkError(t, err)
			if err == nil {
				checkMessage(t, raw, m, o)
			}
		}
		if !slices.Equal(raw, before) {
			t.Error("raw was changed")
		}
	})
}

// checkAttachment checks what holds for every file.
func checkAttachment(t *testing.T, a Attachment) {
	t.Helper()
	if n := count(a.Open()); n != a.Size {
		t.Errorf("%q has %d octets, want %d", a.Name, n, a.Size)
	}
	isUnsafe := func(r rune) bool { return strings.ContainsRune(`/\<>:"|?*`, r) || unicode.IsControl(r) }
	if a.Name == "" || len(a.Name) > maxFileOctets || strings.ContainsFunc(a.Name, isUnsafe) ||
		strings.Trim(a.Name, ". ") != a.Name || !utf8.ValidString(a.Name) {
		t.Errorf("unsafe name %q", a.Name)
	}
	if !strings.Contains(a.ContentType, "/") {
		t.Errorf("type %q", a.ContentType)
	}
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var refused *Error
	if err != nil && (!errors.As(err, &refused) || refused.Detail == "" || !utf8.ValidString(refused.Detail)) {
		t.Errorf("not an Error that says anything: %#v", err)
	}
}

// checkHeader checks that the strings of a header are clean.
func checkHeader(t *testing.T, h Header) {
	t.Helper()
	var all []string
	for _, list := range [][]Address{h.From, h.ReplyTo, h.To, h.Cc, h.Bcc} {
		for _, a := range list {
			if a.Addr == "" {
				t.Errorf("an address is empty: %q", list)
			}
			all = append(all, a.Name, a.Addr)
		}
	}
	for _, id := range slices.Concat(h.Own, h.InReplyTo, h.References) {
		if id == "" || len(id) > maxID || strings.ContainsFunc(id, unicode.IsSpace) {
			t.Errorf("no id: %q", id)
		}
		all = append(all, id)
	}
	if len(h.Own) > maxIDs || len(h.InReplyTo)+len(h.References) > maxIDs {
		t.Error("too many ids")
	}
	for _, s := range append(all, h.Subject) {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("not clean: %q", s)
		}
	}
}

// FuzzPlainBody checks that a body that is not empty never gives an empty result, and that
// nothing in a plain body becomes markup or is lost.
func FuzzPlainBody(f *testing.F) {
	fuzztest.AddKept(f)
	for _, s := range []string{
		"Hello",
		"> quoted\n>> deeper",
		" a  b\t<b>",
		"https://x.example/?a=b&c=\"d\"",
		"www.x.example a@b.example",
		"\xff\xfe\x00a",
		"\x1b$B$3",
		"a\n-- \nb\n\nc\n> d\n> -- \n>> e",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var m Message
		var err error
		fuzztest.Bounded(t, len(body), func() { m, err = Convert([]byte("X: y\r\n\r\n"+body), Options{}) })
		var refused *Error
		kinds := []ErrorKind{ErrEncrypted, ErrTooLarge, ErrAttachment}
		if errors.As(err, &refused) && slices.Contains(kinds, refused.Kind) {
			return
		}
		decoded, _, _ := charset.Decode([]byte(body), "", false)
		text, _ := cleanText(decoded)
		if (err != nil) != htmltext.IsBlank(text) {
			t.Fatalf("body %q: %v", body, err)
		}
		if err == nil && letters(textOf(t, m.HTML)) != letters(m.Text) {
			t.Errorf("HTML says %q, text says %q", m.HTML, m.Text)
		}
	})
}

// letters returns s without what writing HTML may change: white space and quote marks.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\u00a0>", r) {
			return -1
		}
		return r
	}, s)
}

// textOf returns the text of generated HTML, which contains only the elements that writeHTML uses.
func textOf(t *testing.T, doc string) string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.WriteString(html.UnescapeString(string(z.Raw())))
		case html.StartTagToken, html.EndTagToken:
			token := z.Token()
			for _, a := range token.Attr {
				scheme, _, _ := strings.Cut(strings.ToLower(a.Val), ":")
				if a.Key == "href" && !slices.Contains([]string{"http", "https", "mailto", "ftp"}, scheme) {
					t.Errorf("a link leads to %q", a.Val)
				}
			}
			if !slices.Contains([]string{"p", "br", "a", "blockquote", "div"}, token.Data) {
				t.Errorf("the element %q came out of text: %q", token.Data, doc)
			}
		default:
			t.Errorf("markup came out of text: %q", doc)
		}
	}
}

// FuzzFlowed checks that joining lines loses only white space.
func FuzzFlowed(f *testing.F) {
	fuzztest.AddKept(f)
	f.Add("a \nb\n\n> c \n> d\n-- \nx", false)
	f.Add(" >a \n b", true)
	f.Fuzz(func(t *testing.T, text string, delSp bool) {
		if !utf8.ValidString(text) {
			return
		}
		var got string
		fuzztest.Bounded(t, len(text), func() { got = unflow(text, delSp) })
		if letters(got) != letters(text) || got != unflow(text, delSp) {
			t.Errorf("unflow(%q) = %q", text, got)
		}
	})
}

// FuzzAddresses checks that any list gives clean addresses, none of them empty.
func FuzzAddresses(f *testing.F) {
	fuzztest.AddKept(f)
	for _, s := range []string{
		`Bob, Jr. <a@b>, "x\"y" <c@d>`,
		`g: a@b, c@d;, <e`,
		`[SMTP:a@b] (c (d))`,
		`=?utf-8?q?=3Ca=40b=3E?=`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		b := block{guesses: new(guesses)}
		var h Header
		fuzztest.Bounded(t, len(list), func() { h.To = b.addresses(list) })
		checkHeader(t, h)
		if !slices.Equal(h.To, b.addresses(list)) {
			t.Errorf("read again, %q gives others than %q", list, h.To)
		}
	})
}

// FuzzIDs checks that any field gives ids without white space, none of them empty, and that one
// id in brackets is read.
func FuzzIDs(f *testing.F) {
	fuzztest.AddKept(f)
	for _, s := range []string{
		"<a@b> <c@d>",
		"a@b, c@d",
		"<a@x <b@y>",
		"=?utf-8?q?=3Ca=40b=3E?=",
		"<>",
		"undefined \x00<\xff@x>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var h Header
		fuzztest.Bounded(t, len(value), func() { h.References = parseIDs(new(guesses), value) })
		_, h.References = boundIDs(nil, h.References)
		checkHeader(t, h)
		decoded := decodeWords(new(guesses), value, "")
		_, last, ok := strings.Cut(decoded, "<")
		if id, closed := strings.CutSuffix(last, ">"); ok && closed && !strings.ContainsAny(id, "<>") {
			if want := appendID(nil, id); len(want) == 1 && !slices.Equal(h.References, want) {
				t.Errorf("parseIDs(%q) = %q", value, h.References)
			}
		}
	})
}

// addCases adds what within extracts from each golden case that matches pattern.
func addCases(f *testing.F, pattern string, within func(raw string) []byte) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatal("no testdata", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(within(string(raw)))
	}
}

// FuzzTNEF checks that any winmail.dat gives clean text, and files that are no larger than itself,
// beside itself if it is damaged.
func FuzzTNEF(f *testing.F) {
	fuzztest.AddKept(f)
	addCases(f, "testdata/*tnef*.eml", func(raw string) []byte {
		_, encoded, _ := strings.Cut(raw, "eJ8+I")
		data, _ := decodeBase64([]byte("eJ8+I" + encoded))
		return data
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		raw := append([]byte("Subject: x\r\nContent-Type: application/ms-tnef\r\n\r\n"), data...)
		var size int64
		o := Options{Attachments: Link, InlineImages: Link, Link: func(a Attachment) (string, error) {
			if n := count(a.Open()); n != a.Size {
				t.Errorf("%d octets, want %d", n, a.Size)
			}
			size += a.Size
			return "https://files.example/1", nil
		}}
		var m Message
		var err error
		fuzztest.Bounded(t, len(raw), func() { m, err = Convert(raw, o) })
		checkError(t, err)
		if err != nil {
			return
		}
		if size > 2*int64(len(data)) {
			t.Errorf("%d octets in files out of %d", size, len(data))
		}
		checkMessage(t, raw, m, o)
	})
}

// FuzzSMIME checks that any CMS gives content that is no larger than itself, and a message or an
// Error.
func FuzzSMIME(f *testing.F) {
	fuzztest.AddKept(f)
	addCases(f, "testdata/*smime*.eml", func(raw string) []byte {
		_, encoded, _ := strings.Cut(raw, "\r\n\r\n")
		data, _ := decodeBase64([]byte(encoded))
		return data
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var content []byte
		fuzztest.Bounded(t, len(data), func() { content, _ = signedContent(data) })
		if len(content) > len(data) {
			t.Errorf("%d octets of %d", len(content), len(data))
		}
		raw := append([]byte("Subject: x\r\nContent-Type: application/pkcs7-mime\r\n\r\n"), data...)
		o := Options{Attachments: Drop}
		m, err := Convert(raw, o)
		checkError(t, err)
		if err == nil {
			checkMessage(t, raw, m, o)
		}
	})
}
