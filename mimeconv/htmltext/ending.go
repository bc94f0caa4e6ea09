package htmltext

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Ending is how a document ends, for what is to be shown behind it.
type Ending struct {
	// Pos is the offset at which the body ends: before </body> or </html>, if nothing is
	// open there, else the end of the document.
	Pos int

	// IsClosed reports that nothing is open at Pos: no comment, no tag and no element that
	// could hide what is inserted. If in doubt, it is false.
	IsClosed bool

	// Closing must precede whatever is appended to a document that is not closed, so that a
	// browser does not take it for a part of a comment, a tag or an element.
	Closing string
}

// FindEnding reads a document to its end.
func FindEnding(doc string) Ending {
	r := endingReader{isClosed: true}
	z := html.NewTokenizer(strings.NewReader(doc))
	for pos := 0; ; {
		token, raw := z.Next(), z.Raw()
		switch token {
		case html.ErrorToken:
			return r.end(doc[pos:], len(doc))
		case html.CommentToken, html.DoctypeToken:
			r.comment = ""
			if !isClosed(raw) {
				r.comment = "-->"
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			r.open(TagName(raw))
		case html.EndTagToken:
			name := TagName(raw)
			if (name == "body" || name == "html") && r.isAtEnd() {
				return Ending{Pos: pos, IsClosed: true}
			}
			r.close(name)
		}
		pos += len(raw)
	}
}

// endingReader knows which elements are open. It understands documents whose elements are
// nested as they are written; all others are not closed.
type endingReader struct {
	stack    []string // names of open elements, outermost first
	isClosed bool     // no doubt so far
	comment  string   // what closes a comment that is open
}

// isAtEnd reports whether nothing is open but paragraphs, which end where one begins.
func (r *endingReader) isAtEnd() bool {
	return r.isClosed && r.comment == "" && !slices.ContainsFunc(r.stack, func(name string) bool { return name != "p" })
}

// end describes the end of a document of size octets, behind which the tokenizer has left
// a part of a tag.
func (r *endingReader) end(tag string, size int) Ending {
	if tag == "" && r.isAtEnd() {
		return Ending{Pos: size, IsClosed: true}
	}
	var b strings.Builder
	if tag != "" {
		b.WriteString(` '">`) // ends a name, a value in any quotes, and the tag
	}
	b.WriteString(r.comment)
	for _, name := range slices.Backward(r.stack) {
		if name == "script" {
			b.WriteString("-->") // </script> within a comment does not end a script
		}
		b.WriteString("</" + name + ">")
	}
	return Ending{Pos: size, Closing: b.String()}
}

// open reads a start tag.
func (r *endingReader) open(name string) {
	r.comment = ""
	if isVoid(name) || name == "html" || name == "head" || name == "body" {
		return
	}
	if isStrange(name) {
		r.isClosed = false
	}
	for len(r.stack) > 0 && isClosedBy(r.top(), name) {
		r.pop()
	}
	r.stack = append(r.stack, name)
}

// close reads an end tag. A browser ignores the end tag of an element that is not open, and
// often that of one within which others are open.
func (r *endingReader) close(name string) {
	r.comment = ""
	i := len(r.stack) - 1
	if endsOmitted(name) && r.isClosed { // in doubt, only once
		for i >= 0 && mayOmitEnd(r.stack[i]) && r.stack[i] != name {
			i--
		}
	}
	switch {
	case i >= 0 && r.stack[i] == name:
		r.stack = r.stack[:i]
	case name != "p" && len(r.stack) > 0:
		r.isClosed = false
	}
}

func (r *endingReader) top() string { return r.stack[len(r.stack)-1] }
func (r *endingReader) pop()        { r.stack = r.stack[:len(r.stack)-1] }

// isStrange reports whether within an element, tags mean something else than elsewhere, or
// its content may not be shown. Mail hardly has them.
func isStrange(name string) bool {
	switch name {
	case "select", "template", "svg", "math", "object", "applet", "marquee", "frameset", "noframes", "noembed",
		"noscript", "plaintext", "xmp", "iframe", "script", "button", "canvas", "audio", "video", "details", "dialog":
		return true
	}
	return false
}

// mayOmitEnd reports whether the end tag of an element can be omitted.
func mayOmitEnd(name string) bool {
	switch name {
	case "p", "li", "dt", "dd", "td", "th", "tr", "tbody", "thead", "tfoot":
		return true
	}
	return false
}

// endsOmitted reports whether an end tag ends the elements within whose end tags are omitted.
func endsOmitted(name string) bool {
	switch name {
	case "div", "table", "tbody", "thead", "tfoot", "tr", "td", "th", "ul", "ol", "dl", "li", "dd", "dt",
		"blockquote", "center", "section", "article", "main", "header", "footer":
		return true
	}
	return false
}

// isClosedBy reports whether the start tag of the element next ends an element (HTML, section
// 13.1.2.4).
func isClosedBy(name, next string) bool {
	switch next {
	case "li":
		return name == "p" || name == "li"
	case "dt", "dd":
		return name == "p" || name == "dt" || name == "dd"
	case "td", "th":
		return name == "p" || name == "td" || name == "th"
	case "tr":
		return name == "p" || name == "td" || name == "th" || name == "tr"
	case "tbody", "thead", "tfoot":
		return slices.Contains([]string{"p", "td", "th", "tr", "tbody", "thead", "tfoot"}, name)
	}
	return name == "p" && (next == "p" || endsOmitted(next))
}

// headTags are the elements before <body> that do not begin the body.
var headTags = []string{"html", "head", "title", "style", "script", "meta", "link", "base"}

// Start returns the offset at which something can be inserted so that it is shown first: behind
// <body …>, if nothing that could hide it precedes it, else behind the document type, else 0.
func Start(doc string) int {
	if strings.HasPrefix(doc, "<p>") { // as plain text becomes HTML; a tokenizer takes 4 KB
		return 0
	}
	z := html.NewTokenizer(strings.NewReader(doc))
	first := 0
	for pos := 0; ; {
		token, raw := z.Next(), z.Raw()
		switch token {
		case html.ErrorToken:
			return first
		case html.DoctypeToken:
			if strings.TrimSpace(doc[:pos]) == "" {
				first = pos + len(raw)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name := TagName(raw)
			if name == "body" {
				return pos + len(raw)
			}
			if !slices.Contains(headTags, name) {
				return first
			}
		}
		pos += len(raw)
	}
}
