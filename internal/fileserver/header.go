package fileserver

import (
	"mime"
	"net/http"
	"strings"
	"unicode"

	"heyrelay/internal/spool"
)

// protect sets what holds for every response: browsers run nothing of it, guess no type, put it into
// no frame, and pass the link on to nobody; search engines and shared caches do not keep it.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Cache-Control", "private, no-cache") // a revoked file is asked for again
}

// describe sets what the client must know of a file. image is its type if browsers may show it.
func describe(h http.Header, a spool.Attachment, image string) {
	h.Set("ETag", `"`+a.ContentDigest+`"`)
	if image != "" {
		h.Set("Content-Type", image)
		h.Set("Content-Disposition", disposition("inline", a.Name))
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // the HTML of a message shows it, elsewhere
		return
	}
	h.Set("Content-Type", downloadedAs(a.ContentType))
	h.Set("Content-Disposition", disposition("attachment", a.Name))
}

// downloadedAs returns the type of a file to be downloaded, without parameters. One that could be
// active, or that is none, is replaced by that of any octets.
func downloadedAs(stated string) string {
	kind, _, err := mime.ParseMediaType(stated)
	if err != nil || !strings.Contains(kind, "/") || isActive(kind) {
		return "application/octet-stream"
	}
	return kind
}

// disposition writes a Content-Disposition (RFC 6266, section 4). A name that is not plain ASCII is
// given twice: as RFC 8187 encodes it, and as it is, in UTF-8, for clients that do not decode that,
// such as curl.
func disposition(kind, name string) string {
	name = strings.Map(printable, strings.ToValidUTF8(name, "_"))
	if name == "" {
		name = "file"
	}
	quoted := strings.Map(quotable, name)
	field := kind + `; filename="` + quoted + `"`
	if quoted != name || strings.ContainsFunc(name, isForeign) {
		field += "; filename*=UTF-8''" + encode(name)
	}
	return field
}

// printable replaces what would end the header field, or name a folder.
func printable(r rune) rune {
	if unicode.IsControl(r) || r == '/' || r == '\\' {
		return '_'
	}
	return r
}

// quotable replaces what clients misread in a quoted string: the quotation mark, and the percent
// sign, which some decode (RFC 6266, appendix D).
func quotable(r rune) rune {
	if r == '"' || r == '%' {
		return '_'
	}
	return r
}

func isForeign(r rune) bool { return r > unicode.MaxASCII }

// encode writes a value as RFC 8187, section 3.2.1, wants it: all but attr-char percent-encoded.
func encode(value string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(value) {
		if isAttrChar(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
	}
	return b.String()
}

func isAttrChar(c byte) bool {
	letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	return letter || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}
