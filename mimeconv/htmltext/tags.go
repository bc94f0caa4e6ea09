package htmltext

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Attributes are the attributes of a tag that matter here, with their entities
// resolved.
type Attributes struct {
	Src, Alt           string
	style, href, start string
	hidden             bool
	colspan, rowspan   int
}

// ReadAttributes reads the attributes of the tag that z has just come to.
func ReadAttributes(z *html.Tokenizer) Attributes {
	a := Attributes{colspan: 1, rowspan: 1}
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "style":
			a.style = strings.ToLower(strings.Join(strings.Fields(string(value)), ""))
		case "href":
			a.href = strings.Join(strings.Fields(string(value)), "")
		case "src":
			a.Src = string(value)
		case "alt":
			a.Alt = strings.TrimSpace(string(value))
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

// span is how many columns or rows a cell takes; 1 where that makes no sense.
func span(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// isHidden reports whether an element shows nothing by its attributes: as mail
// hides the preview that inboxes show beside the subject.
func (a *Attributes) isHidden() bool {
	return a.hidden ||
		strings.Contains(a.style, "display:none") ||
		strings.Contains(a.style, "visibility:hidden") ||
		strings.Contains(a.style, "max-height:0") && strings.Contains(a.style, "overflow:hidden")
}

// TagName is the name of a tag, <a href=…> or </A>, in lower case. Of a known one it costs no memory,
// as it does with the tokenizer's own TagName.
func TagName(tag []byte) string {
	name := bytes.TrimPrefix(tag[1:], []byte("/"))
	end := 0
	for end < len(name) && !endsTagName(name[end]) {
		end++
	}
	var buf [20]byte // no element that matters has a longer name
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

func endsTagName(c byte) bool {
	return c == '>' || c == '/' || c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'
}
