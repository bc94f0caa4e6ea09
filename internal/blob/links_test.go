package blob_test

import (
	"bytes"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/blob"
)

var (
	signingKey = bytes.Repeat([]byte{7}, 32)
	expires    = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
)

// TestLinks makes a link and recognises it, also under another public URL.
func TestLinks(t *testing.T) {
	token, id := blob.NewLinks(signingKey, "https://a.example.com").New(rand.Reader, expires)
	got, until, ok := blob.NewLinks(signingKey, "https://b.example.com").Parse(token)
	if !ok || got != id || !until.Equal(expires) {
		t.Errorf("%x until %v, %v; want %x until %v", got, until, ok, id, expires)
	}
	if again, _ := blob.NewLinks(signingKey, "").New(rand.Reader, expires); again == token {
		t.Error("two links have one token")
	}
	if id.Hash() == (blob.ID{}).Hash() || id.Hash() != got.Hash() {
		t.Error("the hash does not depend on the id")
	}
}

// TestLinkExpiry keeps any time, to the second.
func TestLinkExpiry(t *testing.T) {
	links := blob.NewLinks(signingKey, "")
	for _, want := range []time.Time{
		time.Unix(0, 0), time.Unix(-1, 0), time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999, time.UTC),
	} {
		token, _ := links.New(rand.Reader, want)
		if _, got, ok := links.Parse(token); !ok || got.Unix() != want.Unix() {
			t.Errorf("%v became %v, %v", want, got, ok)
		}
	}
}

// TestTamperedLinks changes each bit and each character of a token, shortens and extends it, and
// signs with another key: nothing of that is a link.
func TestTamperedLinks(t *testing.T) {
	links := blob.NewLinks(signingKey, "https://files.example.com")
	token, _ := links.New(rand.Reader, expires)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	tampered := map[string]bool{"": true, token[1:]: true, " " + token: true, "\n" + token: true}
	for i := range token {
		tampered[token[:i]] = true
		tampered[token[:i]+"\n"+token[i:]] = true // the decoder skips line ends
		tampered[token[:i]+"A"+token[i:]] = true
		for _, c := range alphabet + "=+/.%" {
			tampered[token[:i]+string(c)+token[i+1:]] = true
		}
	}
	for _, c := range alphabet + "=\r\n" {
		tampered[token+string(c)] = true
	}
	tampered[token+token] = true
	tampered[strings.ToLower(token)] = true
	other, _ := blob.NewLinks(append([]byte{8}, signingKey[1:]...), "").New(rand.Reader, expires)
	tampered[other] = true
	delete(tampered, token)
	for text := range tampered {
		if id, until, ok := links.Parse(text); ok || id != (blob.ID{}) || !until.IsZero() {
			t.Errorf("%q is a link", text)
		}
	}
	if len(tampered) < 3800 {
		t.Errorf("only %d were tried", len(tampered))
	}
}

// FuzzParse finds no second text for a link, and nothing that no key signed.
func FuzzParse(f *testing.F) {
	links := blob.NewLinks(signingKey, "")
	token, id := links.New(bytes.NewReader(make([]byte, 16)), expires)
	f.Add(token)
	f.Add(token[:len(token)-1] + "B")
	f.Add(strings.Repeat("A", len(token)))
	f.Fuzz(func(t *testing.T, text string) {
		got, _, ok := links.Parse(text)
		if ok != (text == token) || ok && got != id {
			t.Errorf("%q: %v", text, ok)
		}
	})
}

// TestLinkURL writes names in every script so that they arrive, and so that none changes the path.
func TestLinkURL(t *testing.T) {
	const base = "https://files.example.com/mail"
	links := blob.NewLinks(signingKey, base+"/")
	for _, c := range []struct{ name, want string }{
		{"Rechnung 4711.pdf", "/Rechnung%204711.pdf"},
		{"Übersicht.pdf", "/%C3%9Cbersicht.pdf"},
		{"請求書.pdf", "/%E8%AB%8B%E6%B1%82%E6%9B%B8.pdf"},
		{"تقرير.pdf", "/%D8%AA%D9%82%D8%B1%D9%8A%D8%B1.pdf"},
		{"a/../b?c#d&e;f%g.txt", "/a%2F..%2Fb%3Fc%23d&e%3Bf%25g.txt"},
		{`"><script>.txt`, "/%22%3E%3Cscript%3E.txt"},
		{"a\r\nb", "/a%0D%0Ab"},
		{"😀.png", "/%F0%9F%98%80.png"},
		{"", ""},
		{".", ""},
		{"..", ""},
	} {
		got := links.URL("TOKEN", c.name)
		if got != base+"/f/TOKEN"+c.want {
			t.Errorf("%q: %s", c.name, got)
		}
		u, err := url.Parse(got)
		if err != nil || c.want != "" && u.Path != "/mail/f/TOKEN/"+c.name {
			t.Errorf("%q is read as %v, %v", c.name, u, err)
		}
	}
}
