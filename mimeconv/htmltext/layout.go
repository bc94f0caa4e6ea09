package htmltext

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxTail is how many steps after the text of a link are searched for the place of
	// its address. Real links end fewer elements.
	maxTail = 50

	// maxCell is the longest text of a cell, in octets, that keeps its row on one line.
	// Longer cells are columns of the page layout.
	maxCell = 100
)

// layout collects text and separators, and writes them at the end: only then is it known
// which rows contain data and which only position columns on the page.
type layout struct {
	text       []byte // all words
	word       int    // where in the text the last word ends
	ops        []op
	rows       []*row   // open rows
	tables     []*table // open tables
	space      bool     // white space precedes the next word
	behindLink bool     // the address of a link precedes the next text
}

// op is one step of the output.
type op struct {
	kind     opKind
	from, to int32   // opText, opPre: range of layout.text; opPreLines: to is their number; opCell: from is its column
	row      *row    // opRow, opCell, opRowEnd
	indent   *indent // opIndent
}

type opKind int8

const (
	opText     opKind = iota // words
	opPre                    // lines with significant leading spaces
	opBlank                  // a no-break space: a blank line if alone on its line
	opBreak                  // a line end; several in a row count once
	opGap                    // a blank line; several in a row count once
	opLine                   // one more line end, up to a blank line
	opPreLines               // more line ends
	opIndent
	opOutdent
	opRow
	opCell
	opRowEnd
)

// row is a row of a table.
type row struct {
	table   *table
	column  int  // of the current cell
	next    int  // the column after it
	columns bool // it positions columns on the page: its cells are stacked
	cells   int  // number of cells with text
	text    bool // the current cell has text
	broken  bool // the text of the current cell has ended its line
	size    int  // of the text of the current cell
	mark    int  // number of texts written before the row
	behind  int  // the column after the last cell written
}

// words adds running text, in which any white space is a single space.
func (l *layout) words(s string) {
	s = dropInvisible(s)
	if l.behindLink && s != "" {
		l.behindLink = false
		l.space = l.space || startsWord(s)
	}
	from := len(l.text)
	for s != "" {
		n := strings.IndexAny(s, " \t\n\r\f")
		switch n {
		case 0:
			l.space = true
			s = strings.TrimLeft(s, " \t\n\r\f")
			continue
		case -1:
			n = len(s)
		}
		if l.space {
			l.text = append(l.text, ' ')
			l.space = false
		}
		l.text = append(l.text, s[:n]...)
		s = s[n:]
	}
	if len(l.text) > from {
		l.addText(opText, from)
	}
}

// startsWord reports whether s starts with something that needs a space before it, unlike
// punctuation.
func startsWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return !unicode.IsPunct(r) || strings.ContainsRune("([{<„«", r)
}

// preformatted adds text with its white space. The line ends around it are steps of their own.
func (l *layout) preformatted(s string) {
	s = dropInvisible(preLineEnds.Replace(s))
	rest := strings.TrimLeft(s, "\n")
	l.preLines(len(s) - len(rest))
	text := strings.TrimRight(rest, "\n")
	if text == "" {
		return
	}
	from := len(l.text)
	l.text = append(l.text, text...)
	l.addText(opPre, from)
	l.preLines(len(rest) - len(text))
}

// preLineEnds replaces the line ends that character references can make.
var preLineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\f", "\n")

// dropInvisible removes characters without width and control characters, which character references
// can make, but not white space.
func dropInvisible(s string) string {
	if !strings.ContainsFunc(s, isInvisible) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isInvisible(r) {
			return -1
		}
		return r
	}, s)
}

func isInvisible(r rune) bool {
	switch r {
	case '\t', '\n', '\r', '\f':
		return false
	case 0x7f, '\u00ad', '\u034f', '\u200b', '\ufeff':
		return true
	}
	return r < ' '
}

// addText adds a step for layout.text[from:].
func (l *layout) addText(kind opKind, from int) {
	text := l.text[from:]
	blank := !bytes.ContainsFunc(text, isVisible)
	if !blank {
		l.word = len(l.text)
	}
	blank = blank && kind == opText
	if n := len(l.rows); n > 0 {
		if blank { // an empty cell, or a space within a cell
			l.text, l.space = l.text[:from], true
			return
		}
		l.rows[n-1].add(len(text))
		if kind == opPre && bytes.IndexByte(text, '\n') >= 0 {
			l.rows[n-1].makePage()
		}
	}
	if n := len(l.ops); n > 0 && !blank && l.ops[n-1].kind == kind && l.ops[n-1].to == int32(from) {
		l.ops[n-1].to = int32(len(l.text))
		return
	}
	if blank {
		kind = opBlank
	}
	l.ops = append(l.ops, op{kind: kind, from: int32(from), to: int32(len(l.text))})
}

// add records text of that size in the current cell.
func (r *row) add(size int) {
	r.size += size
	if r.text && r.broken || r.size > maxCell {
		r.makePage()
	}
	if !r.text {
		r.cells++
		if r.table != nil && r.column < maxColumns {
			r.table.used[r.column] = true
		}
	}
	r.text, r.broken = true, false
}

// makePage marks a row whose cells are columns of the page.
func (r *row) makePage() {
	r.columns = true
	if r.table != nil {
		r.table.pages = true
	}
}

// behind adds text directly after the last text, before the line ends that follow it, but
// not before the given step.
func (l *layout) behind(s string, step int) {
	end := len(l.ops)
	for end > step && len(l.ops)-end < maxTail && l.ops[end-1].kind > opBlank {
		end--
	}
	if end == step || l.ops[end-1].kind > opBlank {
		end = len(l.ops)
	}
	l.behindLink = end == len(l.ops)
	from := len(l.text)
	l.text = append(append(l.text, ' '), s...)
	l.word = len(l.text)
	l.ops = slices.Insert(l.ops, end, op{kind: opText, from: int32(from), to: int32(len(l.text))})
}

// breakLine ends a line (1) or a paragraph (2).
func (l *layout) breakLine(lines int) {
	switch lines {
	case 1:
		l.addBreak(opBreak)
	case 2:
		l.addBreak(opGap)
	}
}

// line adds text on a line of its own.
func (l *layout) line(s string) {
	l.breakLine(1)
	l.words(s)
	l.breakLine(1)
}

// newLine ends a line. Two in a row make a blank line.
func (l *layout) newLine() { l.addBreak(opLine) }

// preLines adds n line ends within preformatted text.
func (l *layout) preLines(n int) {
	if n > 0 && l.endLine() {
		l.ops = append(l.ops, op{kind: opPreLines, to: int32(n)})
	}
}

func (l *layout) addBreak(kind opKind) {
	if !l.endLine() {
		return
	}
	// A third in a row has no effect.
	if n := len(l.ops); n >= 2 && l.ops[n-1].kind == kind && l.ops[n-2].kind == kind {
		return
	}
	l.ops = append(l.ops, op{kind: kind})
}

// endLine ends the words of a line, and reports whether a line can end here: a cell does not start with
// an empty line.
func (l *layout) endLine() bool {
	l.space, l.behindLink = false, false
	n := len(l.rows)
	if n == 0 {
		return true
	}
	l.rows[n-1].broken = l.rows[n-1].text
	return l.rows[n-1].text
}

func (l *layout) indent(first, rest string) {
	l.ops = append(l.ops, op{kind: opIndent, indent: &indent{first: first, rest: rest}})
}

func (l *layout) outdent() { l.ops = append(l.ops, op{kind: opOutdent}) }

func (l *layout) beginTable() { l.tables = append(l.tables, new(table)) }

func (l *layout) endTable() { l.tables = l.tables[:len(l.tables)-1] }

func (l *layout) beginRow() *row {
	r := new(row)
	if n := len(l.tables); n > 0 {
		r.table = l.tables[n-1]
	}
	l.rows = append(l.rows, r)
	l.ops = append(l.ops, op{kind: opRow, row: r})
	return r
}

// inRow reports whether the innermost row has cells already.
func (l *layout) inRow() bool { return len(l.rows) > 0 && l.rows[len(l.rows)-1].next > 0 }

// cell starts the next cell of the innermost row. columns and rows are its span.
func (l *layout) cell(header bool, columns, rows int) {
	l.space = false
	if len(l.rows) == 0 {
		l.breakLine(1)
		return
	}
	r := l.rows[len(l.rows)-1]
	r.text, r.broken, r.size = false, false, 0
	r.place(columns, rows)
	if header && r.table != nil {
		r.table.header = true
	}
	l.ops = append(l.ops, op{kind: opCell, row: r, from: int32(r.column)})
}

// endRow ends the innermost row, which counts as text of the cell around it.
func (l *layout) endRow(r *row) {
	r.end()
	l.rows = l.rows[:len(l.rows)-1]
	l.ops = append(l.ops, op{kind: opRowEnd, row: r})
	if len(l.rows) > 0 && r.cells > 0 {
		outer := l.rows[len(l.rows)-1]
		outer.add(0)
		if r.columns {
			outer.makePage()
		}
	}
}
