package fileserver_test

import (
	"mime"
	"net/http"
	"strings"
	"testing"
)

// TestNames gives the name of a file in every script, and lets no name end its header field.
func TestNames(t *testing.T) {
	f := start(t)
	for _, c := range []struct{ name, field, read string }{
		{"report.pdf", `filename="report.pdf"`, ""},
		{"Rechnung 4711.pdf", `filename="Rechnung 4711.pdf"`, ""},
		{"Übersicht.pdf", `filename="Übersicht.pdf"; filename*=UTF-8''%C3%9Cbersicht.pdf`, ""},
		{"請求書.pdf", `filename="請求書.pdf"; filename*=UTF-8''%E8%AB%8B%E6%B1%82%E6%9B%B8.pdf`, ""},
		{"тест.txt", `filename="тест.txt"; filename*=UTF-8''%D1%82%D0%B5%D1%81%D1%82.txt`, ""},
		{"😀.png", `filename="😀.png"; filename*=UTF-8''%F0%9F%98%80.png`, ""},
		{`50% "off".txt`, `filename="50_ _off_.txt"; filename*=UTF-8''50%25%20%22off%22.txt`, ""},
		{"it's; a=b, (c).txt", `filename="it's; a=b, (c).txt"`, ""},
		{"a\r\nSet-Cookie: b.txt", `filename="a__Set-Cookie: b.txt"`, "a__Set-Cookie: b.txt"},
		{"../../etc/passwd", `filename=".._.._etc_passwd"`, ".._.._etc_passwd"},
		{`C:\a.txt`, `filename="C:_a.txt"`, "C:_a.txt"},
		{"a\x00\x7f\u0085.txt", `filename="a___.txt"`, "a___.txt"},
		{"a\xff.txt", `filename="a_.txt"`, "a_.txt"},
		{"", `filename="file"`, "file"},
	} {
		token, _ := f.put(c.name, "application/octet-stream", []byte("x"))
		got := f.get("/f/" + token).Header().Get("Content-Disposition")
		if got != "attachment; "+c.field {
			t.Errorf("%q: %s, want %s", c.name, got, c.field)
		}
		want := c.read
		if want == "" {
			want = c.name
		}
		_, read, err := mime.ParseMediaType(got)
		if err != nil || read["filename"] != want {
			t.Errorf("%q is read as %q, %v", c.name, read, err)
		}
	}
}

// The beginnings of files.
const (
	png  = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	jpeg = "\xff\xd8\xff\xe0\x00\x10JFIF"
	gif  = "GIF89a\x01\x00\x01\x00"
	webp = "RIFF\x00\x00\x00\x00WEBPVP8 "
	svg  = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	html = "<!doctype html><script>alert(1)</script>"
)

// TestTypes shows only images that are what they claim to be, and gives no file a type that a browser
// could run.
func TestTypes(t *testing.T) {
	const octets = "application/octet-stream"
	f := start(t)
	for _, c := range []struct {
		stated, content string
		shown           bool
		kind            string
	}{
		{"image/png", png, true, "image/png"},
		{"IMAGE/PNG; name=x.png", png, true, "image/png"},
		{"image/jpeg", jpeg, true, "image/jpeg"},
		{"image/gif", gif, true, "image/gif"},
		{"image/webp", webp, true, "image/webp"},
		{"image/png", jpeg, false, "image/png"},
		{"image/png", html, false, "image/png"},
		{"image/png", "", false, "image/png"},
		{"image/svg+xml", svg, false, octets},
		{"image/svg+xml", png, false, octets},
		{"text/html", png, false, octets},
		{"text/html; charset=utf-8", html, false, octets},
		{"TEXT/HTML", html, false, octets},
		{"application/xhtml+xml", html, false, octets},
		{"text/xml", svg, false, octets},
		{"application/javascript", "alert(1)", false, octets},
		{"text/javascript", "alert(1)", false, octets},
		{"application/ecmascript", "alert(1)", false, octets},
		{"multipart/related", html, false, octets},
		{"message/rfc822", html, false, octets},
		{"application/pdf", "%PDF-1.7", false, "application/pdf"},
		{"text/plain; charset=utf-16", html, false, "text/plain"},
		{"text/csv", "a,b", false, "text/csv"},
		{"", html, false, octets},
		{"html", html, false, octets},
		{"text/html\r\nX: y", html, false, octets},
		{"image/png, text/html", png, false, octets},
	} {
		token, _ := f.put("a", c.stated, []byte(c.content))
		w := f.get("/f/" + token)
		disposition, policy := "attachment; ", "same-origin"
		if c.shown {
			disposition, policy = "inline; ", "cross-origin"
		}
		h := w.Header()
		if w.Code != http.StatusOK || w.Body.String() != c.content || h.Get("Content-Type") != c.kind ||
			!strings.HasPrefix(h.Get("Content-Disposition"), disposition) ||
			h.Get("Cross-Origin-Resource-Policy") != policy {
			t.Errorf("%q with %q: %d %v", c.stated, c.content, w.Code, h)
		}
	}
}
