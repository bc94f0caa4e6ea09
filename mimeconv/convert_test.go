package mimeconv

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestT19 checks that the ids of a thread of a thousand messages are cut in the middle.
func TestT19(t *testing.T) {
	var refs []string
	for i := range 1000 {
		refs = append(refs, fmt.Sprintf("<%d@x.example>", i))
	}
	raw := "In-Reply-To: <999@x.example>\r\nReferences: " + strings.Join(refs, "\r\n ") + "\r\n\r\nx"
	h, err := ReadHeader([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(h.InReplyTo) + len(h.References); n != maxIDs || len(h.InReplyTo) != 1 {
		t.Errorf("%d ids, of them %d in In-Reply-To", n, len(h.InReplyTo))
	}
	first, last := h.References[0], h.References[len(h.References)-1]
	if first != "0@x.example" || last != "999@x.example" {
		t.Errorf("from %s to %s", first, last)
	}
	if h.References[18] != "18@x.example" || h.References[19] != "820@x.example" {
		t.Errorf("cut at %s, %s", h.References[18], h.References[19])
	}
}

// TestHeaderIsReadOnce converts messages whose header has been read, and such whose header has not.
func TestHeaderIsReadOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ReadHeader(raw)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := Convert(raw, Options{Attachments: Drop})
		for range 2 { // it can be used again
			got, err := Convert(raw, Options{Attachments: Drop, Header: &h})
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
				t.Errorf("%s: %+v, %v, want %+v, %v", file, got, err, want, wantErr)
			}
		}
	}
}

// A note for old mail programs before the first part is no text of a message that has only a file.
func TestNoteBeforeFile(t *testing.T) {
	for before, isText := range map[string]bool{
		"This is a multi-part message in MIME format.":                 false,
		"This is a multi-part message.":                                false,
		"This is a Multipart message.  Ignore this.":                   false,
		"Dies ist eine mehrteilige Nachricht im MIME-Format.":          false,
		"The scan of page 4.":                                          true,
		"A multi-part message. " + strings.Repeat("Read it all. ", 30): true,
	} {
		raw := "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + before +
			"\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\n%PDF\r\n--b--\r\n"
		m, err := Convert([]byte(raw), Options{Attachments: Drop})
		if got := strings.Contains(m.Text, strings.TrimSpace(before)); err != nil || got != isText {
			t.Errorf("%q: text is %q, %v", before, m.Text, err)
		}
	}
}

// Text directly behind an encoded word belongs to it only if the word goes on.
func TestQuestionMarksInWords(t *testing.T) {
	for subject, want := range map[string]string{
		"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=20Ja?=":        "Grüße? Ja",
		"=?utf-8?Q?Caf=C3=A9?=ab=?utf-8?Q?c?=":     "Caféabc",
		"=?utf-8?Q?1?=20=?utf-8?Q?=C3=A9?=":        "120é",
		"=?utf-8?Q?a?==?utf-8?Q?b?=":               "ab",
		"=?utf-8?Q?a?=ad =?utf-8?Q?b?=":            "aad b",
		"=?utf-8?Q?=C3=A4?=20=C3=B6?=20=C3=BC?= x": "ä? ö? ü x",
	} {
		h, err := ReadHeader([]byte("Subject: " + subject + "\r\n\r\nx\r\n"))
		if err != nil || h.Subject != want {
			t.Errorf("%s is %q, %v, want %q", subject, h.Subject, err, want)
		}
	}
}

// A delimiter that ends no part, as its boundary is unknown, adds nothing to base64 before it.
func TestDelimiterBehindBase64(t *testing.T) {
	const text = "Grüße aus Köln\n"
	for behind, want := range map[string]string{
		"\r\n--b\r\n": text,
		"\r\n--b--":   text,
		"\r\n_-_-":    text,
		"\r\nw7_Dvw":  text + "ÿÿ",
	} {
		if data, _ := decodeBase64([]byte("R3LDvMOfZSBhdXMgS8O2bG4K" + behind)); string(data) != want {
			t.Errorf("%q: %q, want %q", behind, data, want)
		}
	}
}

func TestBoundIDs(t *testing.T) {
	ids := func(prefix string, n int) []string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprint(prefix, i))
		}
		return list
	}
	for _, c := range []struct{ inReplyTo, references int }{
		{0, 0}, {1, 199}, {1, 200}, {19, 400}, {20, 400}, {30, 180}, {250, 0}, {250, 250}, {100, 101},
	} {
		all := slices.Concat(ids("i", c.inReplyTo), ids("r", c.references))
		want := all
		if len(all) > maxIDs {
			want = slices.Concat(all[:firstIDs], all[len(all)-(maxIDs-firstIDs):])
		}
		i, r := boundIDs(ids("i", c.inReplyTo), ids("r", c.references))
		if got := slices.Concat(i, r); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", c, got, want)
		}
	}
}

// TestLongID checks that an id longer than 998 octets is ignored.
func TestLongID(t *testing.T) {
	long := strings.Repeat("a", 998-2) + "@x"
	if got := parseIDs(new(guesses), "<"+long+"> <x"+long+">"); !slices.Equal(got, []string{long}) {
		t.Errorf("%d ids", len(got))
	}
}

// related is a message whose HTML shows images of these sizes.
func related(sizes ...int) []byte {
	var doc, parts strings.Builder
	for i, size := range sizes {
		fmt.Fprintf(&doc, `<img src="cid:%d" alt="image %d">`, i, i)
		fmt.Fprintf(&parts, "\r\n--r\r\nContent-Type: image/png; name=%d.png\r\nContent-ID: <%d>\r\n"+
			"Content-Transfer-Encoding: base64\r\n\r\n%s",
			i, i, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, size)))
	}
	return []byte("Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: text/html\r\n\r\n<p>" +
		doc.String() + "</p>" + parts.String() + "\r\n--r--\r\n")
}

// TestEmbedBounds checks that images up to 32 KiB are embedded, and 128 KiB in all, and that any
// other is replaced by its alternative text, with a warning.
func TestEmbedBounds(t *testing.T) {
	const image = 32 << 10
	for _, c := range []struct {
		name     string
		sizes    []int
		embedded []bool
	}{
		{"one", []int{image}, []bool{true}},
		{"too large", []int{image + 1, 10}, []bool{false, true}},
		{"four", []int{image, image, image, image - 100}, []bool{true, true, true, true}},
		{
			"five",
			[]int{image, image, image, image - 100, image, 10},
			[]bool{true, true, true, true, false, true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Convert(related(c.sizes...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			dropped := 0
			for i, want := range c.embedded {
				alt := fmt.Sprintf(`alt="image %d"`, i)
				if got := strings.Contains(m.HTML, alt); got != want {
					t.Errorf("image %d embedded: %v", i, got)
				}
				if !want {
					dropped++
					if !strings.Contains(m.HTML, fmt.Sprintf("[image %d]", i)) {
						t.Errorf("no alternative text for image %d", i)
					}
				}
			}
			if got := countWarnings(m, ImageDropped); got != dropped {
				t.Errorf("%d warnings, want %d: %v", got, dropped, m.Warnings)
			}
		})
	}
}

func countWarnings(m Message, code string) int {
	n := 0
	for _, w := range m.Warnings {
		if w.Code == code {
			n++
		}
	}
	return n
}

// TestLink checks that Link gets the decoded octets, and that its error is returned unchanged.
func TestLink(t *testing.T) {
	raw := []byte("Content-Type: application/octet-stream; name=a.bin\r\n\r\nraw octets")
	before := bytes.Clone(raw)
	o := Options{Attachments: Link, Link: func(a Attachment) (string, error) {
		for range 2 {
			if data, err := io.ReadAll(a.Open()); string(data) != "raw octets" || err != nil || a.Size != 10 {
				t.Errorf("data %q, size %d, %v", data, a.Size, err)
			}
		}
		return "https://files.example/?a=1&b=2", nil
	}}
	m, err := Convert(raw, o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(m.HTML, `href="https://files.example/?a=1&amp;b=2"`) ||
		!strings.Contains(m.Text, "<https://files.example/?a=1&b=2>") {
		t.Errorf("no link in %q, %q", m.HTML, m.Text)
	}
	if !bytes.Equal(raw, before) {
		t.Error("the message was changed")
	}
	broken := errors.New("the store is full")
	o.Link = func(Attachment) (string, error) { return "", broken }
	if _, err := Convert(raw, o); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	o.Link = nil
	if _, err := Convert(raw, o); err == nil {
		t.Error("no error without Link")
	}
}

// TestRejectNames checks that the error names ten attachments, the number of the others, and the
// key of the route to change.
func TestRejectNames(t *testing.T) {
	parts := ""
	for i := range 12 {
		parts += fmt.Sprintf("--b\r\nContent-Type: application/pdf; name=%d.pdf\r\n\r\nx\r\n", i)
	}
	_, err := Convert([]byte(multipart("mixed", parts)), Options{})
	checkKind(t, err, ErrAttachment)
	for _, want := range []string{`"0.pdf"`, `"9.pdf"`, "and 2 more", `set "attachments: drop" on`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	o := Options{Link: func(Attachment) (string, error) { return "", nil }}
	_, err = Convert([]byte(multipart("mixed", parts)), o)
	if want := `set "attachments: link" or "attachments: drop" on`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q is not in %v", want, err)
	}
}

// TestManyWarnings checks that warnings are bounded.
func TestManyWarnings(t *testing.T) {
	parts := repeat("--b\r\nContent-Transfer-Encoding: x\r\n\r\nx\r\n", 900)
	m, err := Convert([]byte(multipart("mixed", parts)), Options{})
	if err != nil || len(m.Warnings) != maxWarnings {
		t.Errorf("%d warnings, %v", len(m.Warnings), err)
	}
}

// TestSafeFileNames checks that no file name is a path, empty, or too long for file systems.
func TestSafeFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"report.pdf":                       "report.pdf",
		"/etc/passwd":                      "passwd",
		`..\..\boot.ini`:                   "boot.ini",
		"a/":                               "attachment-1.bin",
		" . ":                              "attachment-1.bin",
		"a:b|c?.txt":                       "a_b_c_.txt",
		"\u202egpj.exe":                    "gpj.exe",
		"\u061c\u200bgpj\ufeff.exe":        "gpj.exe",
		"report.exe. . .":                  "report.exe",
		"report.pdf\u2003\u00a0     .exe":  "report.pdf .exe",
		"report.pdf\u3164\u3164\u2800.exe": "report.pdf .exe",
		"\u200d":                           "attachment-1.bin",
		"CON":                              "_CON",
		"nul.tar.gz":                       "_nul.tar.gz",
		"com1 .txt":                        "_com1 .txt",
		"LPT³.txt":                         "_LPT³.txt",
		"common.txt":                       "common.txt",
		"نامه\u200cها.pdf":                 "نامه\u200cها.pdf",
		strings.Repeat("漢", 300) + ".pdf":  strings.Repeat("漢", 77) + "….pdf",
		strings.Repeat("ä", 300):           strings.Repeat("ä", 99) + "…",
		strings.Repeat("x", 300) + ".pdf":  strings.Repeat("x", 99) + "….pdf",
	} {
		got := fileName(&part{name: name}, 1)
		if got != want {
			t.Errorf("fileName(%q) = %q, want %q", name, got, want)
		}
		if again := fileName(&part{name: got}, 1); again != got {
			t.Errorf("fileName(%q) = %q", got, again)
		}
	}
}
