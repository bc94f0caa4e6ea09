package htmltext

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Attributes are the attributes of a tag that rendering needs. Entities are resolved.
type Attributes struct {
	Src, Alt, Href   string
	style, start     string
	hidden           bool
	colspan, rowspan int
}

// ReadAttributes reads the attributes of the current tag of z.
func ReadAttributes(z *html.Tokenizer) Attributes {
	a := Attributes{colspan: 1, rowspan: 1}
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "style":
			a.style = compactStyle(value)
		case "href":
			a.Href = strings.Map(inAddress, string(value))
		case "src":
			a.Src = string(value)
		case "alt":
			a.Alt = strings.TrimSpace(dropInvisible(string(value)))
		case "start":
			a.start = string(value)
		case "hidden":
			a.hidden = true
		case "colspan":
			a.colspan = span(value)
		case "rowspan":
			a.rowspan = span(value)
		}
	}
	return a
}

// inAddress drops white space and control characters.
func inAddress(r rune) rune {
	if unicode.IsSpace(r) || unicode.IsControl(r) {
		return -1
	}
	return r
}

// compactStyle returns a style in lower case without white space.
func compactStyle(value []byte) string {
	compact := make([]byte, 0, 256) // of most styles on the stack
	for _, c := range value {
		switch {
		case 'A' <= c && c <= 'Z':
			compact = append(compact, c+'a'-'A')
		case c > ' ':
			compact = append(compact, c)
		}
	}
	return string(compact)
}

// span parses colspan or rowspan. It returns 1 for an invalid value.
func span(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// isHidden reports whether attributes hide an element, as they hide the preview text that
// inboxes show next to the subject.
func (a *Attributes) isHidden() bool {
	switch {
	case a.hidden:
		return true
	case !strings.Contains(a.style, "none") && !strings.Contains(a.style, "hidden"): // nearly always, and fast
		return false
	}
	return strings.HasPrefix(a.declared("display"), "none") ||
		strings.HasPrefix(a.declared("visibility"), "hidden") ||
		isZero(a.declared("max-height")) && strings.HasPrefix(a.declared("overflow"), "hidden")
}

// isPre reports whether the style makes white space significant.
func (a *Attributes) isPre() bool {
	return strings.Contains(a.style, "white-space:pre") && strings.HasPrefix(a.declared("white-space"), "pre")
}

// declared returns the value of a property in the style, of which the last declaration counts that is
// important, or the last if none is; "" if there is none. Values of single browsers, such as
// -moz-pre-wrap, do not count: all others ignore them.
func (a *Attributes) declared(property string) (value string) {
	for declaration := range strings.SplitSeq(a.style, ";") {
		name, v, _ := strings.Cut(declaration, ":")
		isWeaker := isImportant(value) && !isImportant(v)
		if name == property && v != "" && v[0] != '-' && !isWeaker {
			value = v
		}
	}
	return value
}

func isImportant(value string) bool { return strings.HasSuffix(value, "!important") }

// isZero reports whether a length is 0, in any unit.
func isZero(length string) bool {
	digits := length[:len(length)-len(strings.TrimLeft(length, "0123456789."))]
	return digits != "" && strings.Trim(digits, "0.") == ""
}

// TagName returns the name of a tag such as <a href=…> or </A>, in lower case. Unlike the
// tokenizer's TagName it does not allocate for known names.
func TagName(tag []byte) string {
	name := bytes.TrimPrefix(tag[1:], []byte("/"))
	end := 0
	for end < len(name) && !endsTagName(name[end]) {
		end++
	}
	var buf [20]byte // no known element has a longer name
	lower := buf[:0]
	for _, c := range name[:min(end, len(buf))] {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	if known := atom.Lookup(lower); known != 0 {
		return known.String()
	}
	return string(lower)
}

// isAddress reports whether what looks like a tag is an address that should have been escaped, as in
// "Bob <bob@example.com>": browsers do not show it.
func isAddress(name string) bool {
	switch name {
	case "http:", "https:", "mailto:":
		return true
	}
	return strings.Contains(name, "@")
}

func endsTagName(c byte) bool {
	return c == '>' || c == '/' || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'
}
