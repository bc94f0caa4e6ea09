package htmltext

import "strings"

// closeImplied closes the elements that the start tag of name implicitly ends: HTML allows
// </li>, </p>, </td>, </option> and others to be omitted.
func (r *renderer) closeImplied(name string) {
	if n := len(r.stack); n > 0 && r.stack[n-1].hidden {
		r.closeSilent(name)
	}
	switch name {
	case "li":
		r.closeLast([]string{"li"}, []string{"ul", "ol", "td", "table"})
	case "dt", "dd":
		r.closeLast([]string{"dt", "dd"}, []string{"dl", "td", "table"})
	case "td", "th":
		r.closeLast([]string{"td", "th"}, []string{"tr", "table"})
	case "tr":
		r.closeLast([]string{"tr"}, []string{"table"})
	case "thead", "tbody", "tfoot":
		r.closeLast([]string{"tr", "thead", "tbody", "tfoot"}, []string{"table"})
	case "option":
		r.closeLast([]string{"option"}, []string{"select", "datalist", "optgroup", "table"})
	case "optgroup":
		r.closeLast([]string{"option", "optgroup"}, []string{"select", "table"})
	case "rb", "rt", "rtc", "rp":
		r.closeLast([]string{"rb", "rt", "rtc", "rp"}, []string{"ruby", "table"})
	case "a", "button":
		r.closeLast([]string{name}, []string{"td", "th", "table"})
	case "h1", "h2", "h3", "h4", "h5", "h6":
		r.closeLast([]string{"p", "h1", "h2", "h3", "h4", "h5", "h6"}, []string{"td", "th", "table", "caption", "button"})
	default:
		if spaceBehind(name) > 0 {
			r.closeLast([]string{"p"}, []string{"td", "th", "table", "caption", "button"})
		}
	}
}

// closeLast closes the innermost open element with one of the names, unless an element in scope
// is open within it.
func (r *renderer) closeLast(names, scope []string) {
	if i := r.find(names, scope); i >= 0 {
		r.closeTo(i)
	}
}

// closeSilent closes an element whose text is hidden at a start tag that it cannot contain, so
// that an unclosed one does not hide the rest of the document.
func (r *renderer) closeSilent(name string) {
	silent := []string{"svg", "xml"}
	switch {
	case spaceBehind(name) > 0 || name == "td" || name == "th" || name == "img" || name == "span":
		silent = []string{"select", "datalist", "svg", "xml"}
	case name == "a" || name == "input" || name == "textarea" || name == "select":
		silent = []string{"select", "datalist"}
	case name != "b" && name != "br" && name != "i" && name != "em" && name != "strong":
		return
	}
	if i := r.innermost(silent); i >= 0 {
		r.closeTo(i)
	}
}

// endScope returns the elements that the end tag of name cannot close.
func endScope(name string) []string {
	switch name {
	case "table":
		return nil
	case "caption", "thead", "tbody", "tfoot", "tr", "td", "th":
		return []string{"table"}
	}
	return []string{"td", "th", "caption", "table"}
}

// spaceAround returns the space before and after an element in its context: nested lists
// and tables have no blank lines around them.
func (r *renderer) spaceAround(name string) int {
	n := spaceBehind(name)
	switch {
	case (name == "ul" || name == "ol") && (r.isOpen("ul") || r.isOpen("ol")),
		name == "table" && (r.isOpen("td") || r.isOpen("th")),
		name == "textarea":
		return 1
	}
	return n
}

// spaceBehind returns the space around an element: 0 inline, 1 a line end, 2 a blank line.
func spaceBehind(name string) int {
	switch name {
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "dl", "table":
		return 2
	case "address", "article", "aside", "body", "caption", "center", "dd", "details", "div", "dt",
		"fieldset", "figcaption", "figure", "footer", "form", "header", "legend", "li", "main",
		"nav", "section", "summary", "tbody", "tfoot", "thead", "tr":
		return 1
	}
	return 0
}

// isVoid reports whether an element has neither content nor an end tag.
func isVoid(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr":
		return true
	}
	return false
}

// isRaw reports whether the content of an element is no markup: the tokenizer skips to its end tag.
// But for that of a textarea, it is not shown.
func isRaw(name string) bool {
	switch name {
	case "iframe", "noembed", "noframes", "script", "style", "textarea", "title":
		return true
	}
	return false
}

// isCode reports whether the text directly in an element is never shown.
func isCode(name string) bool { return name == "script" || name == "style" }

// isUnclosed reports whether the end tag of a raw element with text is missing in the rest of
// the document.
func (r *renderer) isUnclosed(name string) bool {
	if isCode(name) && !r.showAll {
		return false
	}
	isUnclosed, isKnown := r.unclosed[name]
	if !isKnown {
		isUnclosed = !hasEndTag(r.doc[r.pos:], name)
		if isUnclosed {
			r.unclosed = map[string]bool{name: true} // and so are all that follow
		}
	}
	return isUnclosed
}

// hasEndTag reports whether the end tag of name is in doc.
func hasEndTag(doc, name string) bool {
	for {
		_, after, found := strings.Cut(doc, "</")
		if !found {
			return false
		}
		if len(after) >= len(name) && strings.EqualFold(after[:len(name)], name) {
			return true
		}
		doc = after
	}
}

// isSilent reports whether an element hides its text although a browser shows the element.
func isSilent(name string) bool {
	switch name {
	case "audio", "canvas", "datalist", "select", "svg", "template", "video", "xml":
		return true
	}
	return false
}
