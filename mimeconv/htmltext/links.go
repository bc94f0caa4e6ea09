package htmltext

import (
	"bytes"
	"net/url"
	"strings"
)

// links is what the renderer knows of the links before the current place.
type links struct {
	last    string // address of the last link written
	lastEnd int    // where in the text that link ends

	image    string // address of a link without text that is not yet written
	host     string // of the last link without text
	imageEnd int    // where in the text that link ends
}

// address writes the address of a link unless it was just written.
func (r *renderer) address(e element) {
	if !leadsAnywhere(e.href) || sameAddress(r.layout.text[e.from:], e.href) {
		return
	}
	l := &r.links
	if e.href == l.last && (l.lastEnd > e.from || e.word <= l.lastEnd) {
		return // an image and a text next to each other with the same address
	}
	if r.layout.word <= e.from {
		r.writeImageLink()
		l.image = e.href
		return
	}
	r.layout.behind("<"+shownAddress(e.href)+">", e.step)
	l.last, l.lastEnd = e.href, len(r.layout.text)
}

// beforeText writes a link without text before the text that follows it, unless that is a link
// with the same address.
func (r *renderer) beforeText() {
	if r.links.image == "" {
		return
	}
	if i := r.innermost([]string{"a"}); i >= 0 && r.stack[i].href == r.links.image {
		r.links.image = ""
	}
	r.writeImageLink()
}

// writeImageLink writes a link without text, which usually is an image: its host on a line of its
// own, once for several in a row.
func (r *renderer) writeImageLink() {
	l := &r.links
	if l.image == "" {
		return
	}
	host := hostOf(l.image)
	l.image = ""
	if host == l.host && r.layout.word <= l.imageEnd {
		return
	}
	r.layout.line("<" + host + ">")
	l.host, l.imageEnd = host, len(r.layout.text)
}

// hostOf returns the host of an address, or all of it if it has none.
func hostOf(href string) string {
	u, err := url.Parse(href)
	if err != nil || u.Host == "" {
		return shownAddress(href)
	}
	return u.Hostname()
}

// shownAddress returns what to show of an address: of mailto:, only the mail address.
func shownAddress(href string) string {
	const scheme = "mailto:"
	if len(href) < len(scheme) || !strings.EqualFold(href[:len(scheme)], scheme) {
		return href
	}
	address, _, _ := strings.Cut(href[len(scheme):], "?")
	return address
}

// leadsAnywhere reports whether an address is useful in plain text. A relative one is not.
func leadsAnywhere(href string) bool {
	scheme, _, ok := strings.Cut(href, ":")
	if !ok || !isScheme(scheme) {
		return strings.HasPrefix(href, "//") || strings.HasPrefix(strings.ToLower(href), "www.")
	}
	switch strings.ToLower(scheme) {
	case "javascript", "data", "cid", "about", "blob":
		return false
	}
	return shownAddress(href) != ""
}

// isScheme reports whether s is a scheme (RFC 3986, section 3.1).
func isScheme(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		isLetter := 'a' <= c && c <= 'z'
		if !isLetter && (i == 0 || (s[i] < '0' || s[i] > '9') && strings.IndexByte("+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// maxAround bounds the white space around the text of a link that shows its address, in octets.
const maxAround = 100

// sameAddress reports whether the text of a link already shows its address.
func sameAddress(text []byte, href string) bool {
	if len(text) > len(href)+len("https:///")+maxAround {
		return false
	}
	text = bytes.TrimSpace(text)
	bare := func(s string) string {
		for _, scheme := range []string{"https://", "http://", "mailto:", "tel:"} {
			s = strings.TrimPrefix(s, scheme)
		}
		return strings.TrimSuffix(s, "/")
	}
	if rest, ok := strings.CutPrefix(href, "mailto:"); ok {
		href, _, _ = strings.Cut(rest, "?")
	}
	return strings.EqualFold(bare(string(text)), bare(href))
}
