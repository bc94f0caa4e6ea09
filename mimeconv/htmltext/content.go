package htmltext

import (
	"bytes"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// HasContent reports whether an HTML document may show anything, whether or not Render can: text
// outside scripts, styles and the title, an element that is more than a container of text, or a
// link, an image or another resource that an attribute or a style refers to. Text in an unclosed
// comment or title counts.
func HasContent(doc string) bool {
	if hasContent(doc) {
		return true
	}
	closed := closeComments(doc)
	return closed != doc && hasContent(closed)
}

// hasContent is HasContent for a document whose comments are closed.
func hasContent(doc string) bool {
	z := html.NewTokenizer(strings.NewReader(doc))
	silent := "" // name of the current script, style or title
	for pos := 0; ; {
		token := z.Next()
		pos += len(z.Raw())
		switch token {
		case html.ErrorToken:
			return false
		case html.TextToken:
			if isShown(z.Raw(), silent, pos == len(doc)) {
				return true
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name := TagName(z.Raw())
			if !isContainer(name) || refersTo(name, z) {
				return true
			}
			if isRaw(name) && name != "textarea" {
				silent = name
			}
		case html.EndTagToken:
			silent = ""
		}
	}
}

// isShown reports whether text may be visible. silent is the element around it if that hides text,
// unless it is never closed.
func isShown(text []byte, silent string, atEnd bool) bool {
	if isCode(silent) {
		return silent == "style" && bytes.Contains(text, []byte("url(")) || atEnd && hasMarkedText(text)
	}
	return (silent == "" || atEnd) && !IsBlank(html.UnescapeString(string(text)))
}

// hasMarkedText reports whether there is text behind the first tag in a script or style, which it
// swallowed because it is never closed.
func hasMarkedText(script []byte) bool {
	_, markup, _ := bytes.Cut(script, []byte("<"))
	z := html.NewTokenizer(strings.NewReader("<" + string(markup)))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.TextToken:
			if text := html.UnescapeString(string(z.Raw())); !IsBlank(text) && text != "<" {
				return true
			}
		case html.StartTagToken:
			z.NextIsNotRawText()
		}
	}
}

// isContainer reports whether an element shows nothing but its content.
func isContainer(name string) bool {
	if isRaw(name) || spaceBehind(name) > 0 {
		return name != "iframe"
	}
	switch name {
	case "html", "head", "meta", "base", "link", "br", "wbr", "col", "colgroup", "td", "th",
		"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins",
		"kbd", "label", "map", "mark", "noscript", "q", "s", "samp", "small", "span", "strike", "strong",
		"sub", "sup", "template", "tt", "u", "var":
		return true
	}
	return strings.Contains(name, ":") // o:p of Microsoft Office
}

// refersTo reports whether an attribute of the tag at z refers to something that may be shown.
func refersTo(name string, z *html.Tokenizer) bool {
	if name == "link" || name == "base" {
		return false
	}
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "href", "src", "srcset", "background", "data", "poster":
			if len(bytes.TrimSpace(value)) > 0 {
				return true
			}
		case "style":
			if bytes.Contains(bytes.ToLower(value), []byte("url(")) {
				return true
			}
		}
	}
	return false
}

// closeComments ends a comment that is never closed at the first ">", as old browsers do, and
// drops its start if there is none.
func closeComments(doc string) string {
	if !strings.Contains(doc, "<!--") {
		return doc
	}
	tail := max(strings.LastIndex(doc, "-->"), strings.LastIndex(doc, "--!>"), 0)
	i := strings.Index(doc[tail:], "<!--")
	if i < 0 {
		return doc
	}
	if last := strings.LastIndex(doc, "<!--"); !strings.Contains(doc[last:], ">") {
		doc = doc[:last] + doc[last+len("<!--"):]
	}
	return doc[:tail+i] + strings.ReplaceAll(doc[tail+i:], "<!--", "<!")
}

// isClosed reports whether a comment ends. Markup such as <!x> is a comment, too.
func isClosed(comment []byte) bool {
	if bytes.HasPrefix(comment, []byte("<!--")) {
		return bytes.HasSuffix(comment, []byte("-->")) || bytes.HasSuffix(comment, []byte("--!>"))
	}
	return bytes.HasSuffix(comment, []byte(">"))
}

// IsBlank reports whether s consists of white space and zero-width characters.
func IsBlank(s string) bool { return !strings.ContainsFunc(s, isVisible) }

func isVisible(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune("\u00ad\u034f\u200b\u200c\u200d\ufeff", r)
}
