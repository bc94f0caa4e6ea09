package htmltext

// closeImplied closes the elements that the start tag of name implicitly ends: HTML allows
// </li>, </p>, </td> and others to be omitted.
func (r *renderer) closeImplied(name string) {
	var names, scope []string
	switch name {
	case "li":
		names, scope = []string{"li"}, []string{"ul", "ol", "td", "table"}
	case "dt", "dd":
		names, scope = []string{"dt", "dd"}, []string{"dl", "td", "table"}
	case "td", "th":
		names, scope = []string{"td", "th"}, []string{"tr", "table"}
	case "tr", "thead", "tbody", "tfoot":
		names, scope = []string{"tr"}, []string{"table"}
	case "a":
		names, scope = []string{"a"}, []string{"td", "th", "table"}
	default:
		if spaceBehind(name) == 0 {
			return
		}
		names, scope = []string{"p"}, []string{"td", "th", "table", "caption", "button"}
	}
	for _, n := range names {
		if r.open[n] == 0 {
			continue
		}
		if i := r.find(names, scope); i >= 0 {
			r.closeTo(i)
		}
		return
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
	case (name == "ul" || name == "ol") && r.open["ul"]+r.open["ol"] > 0,
		name == "table" && r.open["td"]+r.open["th"] > 0:
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

// isRaw reports whether the content of an element is neither markup nor visible text. The
// tokenizer skips to its end tag.
func isRaw(name string) bool {
	switch name {
	case "iframe", "noembed", "noframes", "script", "style", "textarea", "title":
		return true
	}
	return false
}

// isSilent reports whether an element hides its text although a browser shows the element.
func isSilent(name string) bool {
	switch name {
	case "audio", "canvas", "datalist", "select", "svg", "template", "video", "xml":
		return true
	}
	return false
}
