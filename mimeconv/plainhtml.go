package mimeconv

import (
	"html"
	"strings"
)

const (
	// maxQuotes bounds the levels of quotation. Discussions reach ten levels; unlimited
	// nesting would let 64 KB of ">" crash a browser.
	maxQuotes = 10

	// maxPiece bounds the part of a line that is searched for links at a time, in octets.
	maxPiece = 64 << 10

	// tabWidth is the width of a tab, in columns.
	tabWidth = 8

	openQuote  = `<blockquote style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">`
	closeQuote = `</blockquote>`

	// signatureMark is the line before a signature (RFC 3676, section 4.3).
	signatureMark  = "-- "
	openSignature  = `<div style="color:#777">`
	closeSignature = `</div>`
)

// writeHTML converts plain text to HTML. It keeps paragraphs, line breaks, indentation and
// quotation, sets a signature apart, links addresses and escapes all markup. It writes little
// more than limit octets: larger results are rejected.
func writeHTML(text string, limit int) string {
	w := htmlWriter{limit: limit}
	w.Grow(min(limit, len(text)+len(text)/2)) // links and line breaks
	for line := range strings.SplitSeq(text, "\n") {
		depth, rest := quoteDepth(line)
		if rest == signatureMark {
			w.beginSignature(depth)
		}
		w.line(depth, strings.TrimRight(rest, " \t"))
		if w.Len() > limit {
			break
		}
	}
	w.line(0, "")
	w.endSignature()
	return w.String()
}

// htmlWriter is the state of writeHTML.
type htmlWriter struct {
	strings.Builder
	limit     int    // octets
	depth     int    // number of open quotations
	signature bool   // a signature is open within the quotations
	paragraph bool   // a paragraph is open within the signature
	links     []link // of the current line
}

// WriteString appends text unless the limit is exceeded. One line of tabs grows 48 times.
func (w *htmlWriter) WriteString(text string) {
	if w.Len() <= w.limit {
		w.Builder.WriteString(text)
	}
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

// beginSignature sets the following lines apart, until the quote depth changes.
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

// columns returns the width of leading white space.
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

// linked writes a line and turns addresses into links. It takes a long line in pieces, so
// that the links of only one are in memory.
func (w *htmlWriter) linked(text string) {
	for len(text) > maxPiece {
		end := strings.LastIndexByte(text[:maxPiece], ' ') + 1
		if end == 0 {
			end = maxPiece
		}
		w.piece(text[:end])
		text = text[end:]
	}
	w.piece(text)
}

func (w *htmlWriter) piece(text string) {
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

// escaped writes text with markup escaped and runs of spaces preserved, which HTML would
// collapse.
func (w *htmlWriter) escaped(text string) {
	done := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c > '>' || '&' < c && c < '<' || c == ' ' && (i+1 == len(text) || text[i+1] != ' ') {
			continue // nearly always, and fast
		}
		if with := entity(c); with != "" {
			w.WriteString(text[done:i])
			w.WriteString(with)
			done = i + 1
		}
	}
	w.WriteString(text[done:])
}

// entity returns the HTML for c, "" if it is c itself.
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

// quoteDepth counts the quote marks at the start of a line such as ">> text" or "> > text"
// and returns the rest of the line.
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
