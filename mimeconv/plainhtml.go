package mimeconv

import (
	"html"
	"strings"
)

const (
	// maxQuotes bounds the levels of quotation that are shown. Discussions reach
	// ten; without a bound, 64 KB of ">" would nest the reader's browser to death.
	maxQuotes = 10

	// tabWidth is what plain text means by a tab, in columns.
	tabWidth = 8

	openQuote  = `<blockquote style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">`
	closeQuote = `</blockquote>`

	// signatureMark is the line that a signature begins with (RFC 3676, section 4.3).
	signatureMark  = "-- "
	openSignature  = `<div style="color:#777">`
	closeSignature = `</div>`
)

// writeHTML makes HTML of plain text: paragraphs, line breaks, indents and
// quotation stay, a signature is set apart, addresses become links, and nothing of
// it becomes markup. It ends early past maxBody, over which the result is refused.
func writeHTML(text string) string {
	w := htmlWriter{}
	w.Grow(len(text) + len(text)/2) // links and line breaks
	for line := range strings.SplitSeq(text, "\n") {
		depth, rest := quoteDepth(line)
		if rest == signatureMark {
			w.beginSignature(depth)
		}
		w.line(depth, strings.TrimRight(rest, " \t"))
		if w.Len() > maxBody {
			break
		}
	}
	w.line(0, "")
	w.endSignature()
	return w.String()
}

// htmlWriter writes lines as HTML.
type htmlWriter struct {
	strings.Builder
	depth     int    // open quotations
	signature bool   // one is open, within those
	paragraph bool   // one is open, within that
	links     []link // of the line that is being written
}

func (w *htmlWriter) line(depth int, text string) {
	if w.paragraph && (depth != w.depth || text == "") {
		w.WriteString("</p>\n")
		w.paragraph = false
	}
	if depth != w.depth {
		w.endSignature()
	}
	for ; w.depth < depth; w.depth++ {
		w.WriteString(openQuote + "\n")
	}
	for ; w.depth > depth; w.depth-- {
		w.WriteString(closeQuote + "\n")
	}
	if text == "" {
		return
	}
	if w.paragraph {
		w.WriteString("<br>\n")
	} else {
		w.WriteString("<p>")
		w.paragraph = true
	}
	body := strings.TrimLeft(text, " \t")
	for range columns(text[:len(text)-len(body)]) {
		w.WriteString("&nbsp;")
	}
	w.linked(body)
}

// beginSignature sets apart what follows, up to where the depth of quotation changes.
func (w *htmlWriter) beginSignature(depth int) {
	w.line(depth, "")
	if !w.signature {
		w.WriteString(openSignature + "\n")
		w.signature = true
	}
}

func (w *htmlWriter) endSignature() {
	if w.signature {
		w.WriteString(closeSignature + "\n")
		w.signature = false
	}
}

// columns is the width of white space at the beginning of a line.
func columns(space string) int {
	n := 0
	for _, c := range space {
		if c == '\t' {
			n += tabWidth - n%tabWidth
		} else {
			n++
		}
	}
	return n
}

// linked writes text with its addresses as links.
func (w *htmlWriter) linked(text string) {
	pos := 0
	w.links = findLinks(w.links[:0], text)
	for _, l := range w.links {
		w.escaped(text[pos:l.from])
		w.WriteString(`<a href="`)
		w.WriteString(html.EscapeString(l.href))
		w.WriteString(`">`)
		w.escaped(text[l.from:l.to])
		w.WriteString("</a>")
		pos = l.to
	}
	w.escaped(text[pos:])
}

// escaped writes text so that it shows as it is: markup is escaped, and runs of
// spaces, which HTML would collapse, are kept.
func (w *htmlWriter) escaped(text string) {
	done := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c > '>' || c == ' ' && (i+1 == len(text) || text[i+1] != ' ') {
			continue
		}
		if with := entity(c); with != "" {
			w.WriteString(text[done:i])
			w.WriteString(with)
			done = i + 1
		}
	}
	w.WriteString(text[done:])
}

// entity is what is written for c in HTML, "" where that is c itself.
func entity(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case ' ':
		return "&nbsp;"
	case '\t':
		return "&nbsp;&nbsp;&nbsp; "
	}
	return ""
}

// quoteDepth counts the quotation marks at the beginning of a line: ">> text",
// "> > text".
func quoteDepth(line string) (depth int, rest string) {
	rest = line
	for strings.HasPrefix(rest, ">") {
		depth++
		rest = rest[1:]
		if next := strings.TrimPrefix(rest, " "); strings.HasPrefix(next, ">") {
			rest = next
		}
	}
	if depth > 0 {
		rest = strings.TrimPrefix(rest, " ")
	}
	return min(depth, maxQuotes), rest
}
