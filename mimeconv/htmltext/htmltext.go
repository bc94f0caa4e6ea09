// Package htmltext renders an HTML document as plain text.
//
// [Render] reads tokens rather than a tree. Each token opens or closes elements
// (htmltext.go, elements.go) and adds steps to a layout (layout.go). The layout is written
// at the end (write.go), when it is known which tables (table.go) contain data and which only
// position content on the page. Time and memory grow linearly with the size of the document,
// regardless of nesting.
package htmltext

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// maxOpen bounds the open elements. Of elements nested more deeply, only the text and the
// line breaks are rendered.
const maxOpen = 10_000

// Render returns the text of an HTML document. Paragraphs, headings, lists and table rows
// are kept, quotations are marked with ">", links keep their address, and content that a
// browser would not show is omitted. Lines end with "\n" and have no trailing spaces. A text
// longer than limit octets is cut a little behind them: the marks of quotations and lists can
// make a long text of a short document.
func Render(doc string, limit int) string {
	doc = closeComments(doc)
	if text := renderVisible(doc, limit, false); !IsBlank(text) {
		return text
	}
	// All of it is hidden, on purpose or by an unclosed element. Show it rather than
	// lose it.
	return renderVisible(doc, limit, true)
}

// renderVisible renders doc. With showAll it also renders what styles hide.
func renderVisible(doc string, limit int, showAll bool) string {
	r := renderer{doc: doc, showAll: showAll, open: make(map[string]*[]int32)}
	r.layout.ops = make([]op, 0, 2*strings.Count(doc, "<")) // about two steps a tag
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		token := z.Next()
		r.pos += len(z.Raw())
		switch token {
		case html.ErrorToken:
			r.closeTo(0)
			r.writeImageLink()
			return r.layout.write(limit)
		case html.TextToken:
			if top := r.top(); !top.hidden && !isCode(top.name) {
				r.text(html.UnescapeString(string(z.Raw())))
			}
		case html.StartTagToken:
			r.start(z)
		case html.SelfClosingTagToken:
			if r.start(z) && !isRaw(r.top().name) {
				r.closeTo(len(r.stack) - 1)
			}
		case html.EndTagToken:
			r.end(TagName(z.Raw()))
		}
	}
}

// renderer builds a layout from tokens.
type renderer struct {
	doc      string
	pos      int // in doc, after the current token
	showAll  bool
	layout   layout
	stack    []element
	open     map[string]*[]int32 // indexes in stack of the open elements of a name
	links    links
	ruleEnd  int             // where in the text the last horizontal rule ends, 0 for none
	deeper   int             // number of elements open beyond maxOpen
	unclosed map[string]bool // raw elements that have no end tag
	afterPre bool            // a line end that follows belongs to the <pre> or <textarea> tag
}

// element is an open element.
type element struct {
	name     string
	indexes  *[]int32 // of the open elements of that name
	hidden   bool     // it or an element around it is hidden
	pre      bool     // white space is significant
	list     int      // ol: number of the next item; else 0
	href     string
	from     int  // a: start of its text
	word     int  // a: end of the last word before it
	step     int  // a: step of the layout at its start
	indented bool // an indent was opened for it
	row      *row // tr
	space    int  // after it: 0 nothing, 1 a line end, 2 a blank line
}

func (r *renderer) top() element {
	if len(r.stack) == 0 {
		return element{}
	}
	return r.stack[len(r.stack)-1]
}

// start processes a start tag and reports whether an element was opened.
func (r *renderer) start(z *html.Tokenizer) bool {
	name := TagName(z.Raw())
	if isAddress(name) {
		if !r.top().hidden {
			r.text(html.UnescapeString(string(z.Raw())))
		}
		return false
	}
	a := ReadAttributes(z)
	raw := isRaw(name)
	// Mail programs do not run scripts. An unclosed title hides the whole document.
	if name == "noscript" || raw && r.isUnclosed(name) {
		z.NextIsNotRawText()
		raw = false
	}
	if r.deeper == 0 {
		r.closeImplied(name)
	}
	parent := r.top()
	isField := raw && name == "textarea" // its text is shown as it is
	e := element{
		name:   name,
		hidden: parent.hidden || raw && !isField || !r.showAll && (isSilent(name) || a.isHidden()),
		pre:    parent.pre || isField || name == "pre" || a.isPre(),
	}
	if isVoid(name) {
		if !e.hidden {
			r.void(name, a)
		}
		return false
	}
	if len(r.stack) >= maxOpen && !raw {
		r.deeper++
		if !e.hidden {
			r.layout.breakLine(r.spaceAround(name))
		}
		return false
	}
	if !e.hidden {
		e.space = r.spaceAround(name)
		r.layout.breakLine(e.space)
		r.enter(&e, a)
	}
	r.push(e)
	return true
}

// push makes e the innermost open element.
func (r *renderer) push(e element) {
	e.indexes = r.open[e.name]
	if e.indexes == nil {
		e.indexes = new([]int32)
		r.open[e.name] = e.indexes
	}
	*e.indexes = append(*e.indexes, int32(len(r.stack)))
	r.stack = append(r.stack, e)
}

// void renders an element that has no content.
func (r *renderer) void(name string, a Attributes) {
	switch name {
	case "br":
		r.layout.newLine()
	case "hr":
		r.rule()
	case "img":
		if a.Alt != "" {
			r.beforeText()
			r.layout.words("[" + a.Alt + "]")
		}
	}
}

// rule writes a horizontal rule. Several in a row are one.
func (r *renderer) rule() {
	r.writeImageLink()
	if r.ruleEnd > 0 && r.layout.word <= r.ruleEnd {
		return
	}
	r.layout.line("----------")
	r.ruleEnd = len(r.layout.text)
}

// enter updates the layout at the start of an element.
func (r *renderer) enter(e *element, a Attributes) {
	switch e.name {
	case "pre", "textarea":
		r.afterPre = true
	case "a":
		e.href = a.Href
		e.from, e.word, e.step = len(r.layout.text), r.layout.word, len(r.layout.ops)
	case "blockquote":
		r.indent(e, "> ", "> ")
	case "dd":
		r.indent(e, "  ", "  ")
	case "ol":
		e.list = 1
		if n, err := strconv.Atoi(a.start); err == nil {
			e.list = n
		}
	case "li":
		mark := r.listMark()
		r.indent(e, mark, strings.Repeat(" ", len(mark)))
	case "table":
		r.layout.beginTable()
	case "tr":
		e.row = r.layout.beginRow()
	case "td", "th":
		if r.layout.inRow() {
			r.writeImageLink()
		}
		r.layout.cell(e.name == "th", a.colspan, a.rowspan)
	}
}

func (r *renderer) indent(e *element, first, rest string) {
	r.layout.indent(first, rest)
	e.indented = true
}

// listMark returns the marker of the next item of the innermost list.
func (r *renderer) listMark() string {
	if i := r.find([]string{"ol", "ul"}, nil); i >= 0 && r.stack[i].name == "ol" {
		r.stack[i].list++
		return strconv.Itoa(r.stack[i].list-1) + ". "
	}
	return "- "
}

// leave updates the layout at the end of an element.
func (r *renderer) leave(e element) {
	*e.indexes = (*e.indexes)[:len(*e.indexes)-1]
	if e.hidden {
		return
	}
	if e.href != "" {
		r.address(e)
	}
	if e.indented || e.row != nil && e.row.cells > 0 {
		r.writeImageLink()
	}
	if e.row != nil {
		r.layout.endRow(e.row)
	}
	if e.name == "table" {
		r.layout.endTable()
	}
	r.layout.breakLine(e.space)
	if e.indented {
		r.layout.outdent()
	}
}

// text renders text whose entities are resolved.
func (r *renderer) text(s string) {
	if r.afterPre {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "\r"), "\n")
		r.afterPre = false
	}
	if r.links.image != "" && !IsBlank(s) {
		r.beforeText()
	}
	if r.top().pre {
		r.layout.preformatted(s)
		return
	}
	r.layout.words(s)
}

// end processes an end tag. One without a start tag is ignored, as in browsers.
func (r *renderer) end(name string) {
	switch {
	case r.deeper > 0 && !isRaw(name):
		r.deeper--
	case len(r.stack) > 0 && r.stack[len(r.stack)-1].name == name: // most of them
		r.closeTo(len(r.stack) - 1)
	case r.isOpen(name):
		r.closeLast([]string{name}, endScope(name))
	case r.top().hidden:
	case name == "br":
		r.layout.newLine()
	case name == "p":
		r.layout.breakLine(2)
	}
}

// closeTo closes the innermost elements until depth elements are open.
func (r *renderer) closeTo(depth int) {
	for len(r.stack) > depth {
		e := r.top()
		r.stack = r.stack[:len(r.stack)-1]
		r.leave(e)
	}
}

// isOpen reports whether an element of that name is open.
func (r *renderer) isOpen(name string) bool {
	indexes := r.open[name]
	return indexes != nil && len(*indexes) > 0
}

// find returns the index of the innermost open element with one of the names. It returns
// -1 if there is none, or if an element in scope is nested within it.
func (r *renderer) find(names, scope []string) int {
	i := r.innermost(names)
	if i < 0 || i < r.innermost(scope) {
		return -1
	}
	return i
}

// innermost returns the index of the innermost open element with one of the names, -1 if there
// is none.
func (r *renderer) innermost(names []string) int {
	last := int32(-1)
	for _, name := range names {
		if indexes := r.open[name]; indexes != nil && len(*indexes) > 0 {
			last = max(last, (*indexes)[len(*indexes)-1])
		}
	}
	return int(last)
}
