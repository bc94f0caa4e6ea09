package htmltext

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxIndents bounds the indentation of quotations and lists together. Text nested
	// more deeply keeps the indent of this level.
	maxIndents = 12

	// minRoom is the free capacity, in octets, below which the output is doubled.
	minRoom = 1 << 10

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
	ops        []op
	rows       []*row   // open rows
	tables     []*table // open tables
	space      bool     // white space precedes the next word
	behindLink bool     // the address of a link precedes the next text
}

// op is one step of the output.
type op struct {
	kind     opKind
	from, to int32   // opText, opPre: range of layout.text; opCell: from is its column
	row      *row    // opRow, opCell, opRowEnd
	indent   *indent // opIndent
}

type opKind int8

const (
	opText    opKind = iota // words
	opPre                   // text with significant leading spaces
	opBlank                 // a no-break space: a blank line if alone on its line
	opBreak                 // a line end; several in a row count once
	opGap                   // a blank line; several in a row count once
	opLine                  // one more line end, up to a blank line
	opPreLine               // one more line end
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
	const invisible = "\u00ad\u034f\u200b\ufeff"
	if strings.ContainsAny(s, invisible) {
		s = strings.Map(func(r rune) rune {
			if strings.ContainsRune(invisible, r) {
				return -1
			}
			return r
		}, s)
	}
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

// preformatted adds text with its white space.
func (l *layout) preformatted(s string) {
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			l.addBreak(opPreLine)
		}
		line = strings.TrimRight(line, "\r")
		if line != "" {
			from := len(l.text)
			l.text = append(l.text, line...)
			l.addText(opPre, from)
		}
	}
}

// addText adds a step for layout.text[from:].
func (l *layout) addText(kind opKind, from int) {
	text := l.text[from:]
	blank := kind == opText && IsBlank(string(text))
	if n := len(l.rows); n > 0 {
		if blank { // an empty cell, or a space within a cell
			l.text, l.space = l.text[:from], true
			return
		}
		l.rows[n-1].add(len(text))
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
		r.isPage()
	}
	if !r.text {
		r.cells++
		if r.table != nil && r.column < maxColumns {
			r.table.used[r.column] = true
		}
	}
	r.text, r.broken = true, false
}

// isPage marks a row whose cells are columns of the page.
func (r *row) isPage() {
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

func (l *layout) addBreak(kind opKind) {
	l.space, l.behindLink = false, false
	if n := len(l.rows); n > 0 {
		if !l.rows[n-1].text {
			return // a cell does not start with an empty line
		}
		l.rows[n-1].broken = true
	}
	// A third in a row has no effect.
	if n := len(l.ops); n >= 2 && kind != opPreLine && l.ops[n-1].kind == kind && l.ops[n-2].kind == kind {
		return
	}
	l.ops = append(l.ops, op{kind: kind})
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
			outer.isPage()
		}
	}
}

// String returns the text. Lines have no trailing white space, and the text has no leading
// or trailing blank lines.
func (l *layout) String() string {
	w := layoutWriter{}
	for _, o := range l.ops {
		switch o.kind {
		case opText:
			w.write(l.text[o.from:o.to], false)
		case opPre:
			w.write(l.text[o.from:o.to], true)
		case opBlank:
			w.blank()
		case opBreak:
			w.breakLine(max(w.due, 1))
		case opGap:
			w.breakLine(max(w.due, 2))
		case opLine:
			w.breakLine(max(w.due, min(w.due+1, 2)))
		case opPreLine:
			w.breakLine(w.due + 1)
		case opIndent:
			w.indent(*o.indent)
		case opOutdent:
			w.outdent()
		case opRow:
			o.row.mark = w.texts
		case opCell:
			w.cell(o.row, int(o.from))
		case opRowEnd:
			w.endRow(o.row)
		}
	}
	return string(bytes.TrimRight(w.out, " \n"))
}

// layoutWriter is the state of String.
type layoutWriter struct {
	out     []byte
	texts   int  // number of texts written
	due     int  // line ends to write before the next text
	join    *row // row whose next cell the next text starts
	first   *row // row whose first text is next
	column  int  // column of that text
	indents []indent
	deeper  int // number of indents beyond maxIndents
	shared  int // number of indents that the last text and the next share
}

// indent is a prefix of lines: first of the first line, rest of the others.
type indent struct {
	first, rest string
	used        bool
}

func (w *layoutWriter) write(text []byte, pre bool) {
	switch {
	case w.join != nil && w.due == 0:
		skipped := w.join.skipped(w.join.behind, w.column+1)
		w.out = append(bytes.TrimRight(w.out, " "), ' ')
		w.out = append(w.out, bars(max(1, skipped))...)
		text = bytes.TrimLeft(text, " ")
		w.join.behind = w.column + 1
	case w.due > 0 || w.texts == 0:
		w.lineEnds()
		if !pre {
			text = bytes.TrimLeft(text, " ")
		}
	}
	if w.first != nil {
		w.out = append(w.out, bars(w.first.skipped(0, w.column))...)
		w.first.behind = w.column + 1
	}
	w.join, w.first = nil, nil
	for {
		before, after, found := bytes.Cut(text, []byte("\u00a0"))
		w.out = append(w.out, before...)
		if !found {
			break
		}
		w.out = append(w.out, ' ')
		text = after
	}
	w.due = 0
	w.shared = len(w.indents)
	w.texts++
}

// lineEnds writes the line ends that are due and the indent of the next line.
func (w *layoutWriter) lineEnds() {
	if cap(w.out)-len(w.out) < minRoom {
		w.out = slices.Grow(w.out, len(w.out)+minRoom) // append alone grows by a quarter
	}
	if w.texts > 0 {
		w.out = append(bytes.TrimRight(w.out, " "), '\n')
		for range w.due - 1 {
			w.prefix(w.indents[:w.shared])
			w.out = append(bytes.TrimRight(w.out, " "), '\n')
		}
	}
	w.prefix(w.indents)
}

func (w *layoutWriter) prefix(indents []indent) {
	for i := range indents {
		if indents[i].used {
			w.out = append(w.out, indents[i].rest...)
		} else {
			w.out = append(w.out, indents[i].first...)
			indents[i].used = true
		}
	}
}

func (w *layoutWriter) breakLine(due int) {
	if w.join == nil {
		w.due = due
	}
}

// blank writes a no-break space without text: a blank line if it is alone on its line,
// else a space.
func (w *layoutWriter) blank() {
	switch {
	case w.join != nil:
	case w.due > 0:
		w.due = max(w.due, 2)
	case w.texts > 0:
		w.out = append(w.out, ' ')
	}
}

func (w *layoutWriter) indent(i indent) {
	if len(w.indents) == maxIndents {
		w.deeper++
		return
	}
	w.indents = append(w.indents, i)
}

func (w *layoutWriter) outdent() {
	if w.deeper > 0 {
		w.deeper--
		return
	}
	w.indents = w.indents[:len(w.indents)-1]
	w.shared = min(w.shared, len(w.indents))
}

// endRow ends a row. There are no blank lines between rows of data.
func (w *layoutWriter) endRow(r *row) {
	if w.join == r {
		w.join = nil
	}
	if w.first == r {
		w.first = nil
	}
	if r.cells > 1 && !r.columns {
		w.due = min(w.due, 1)
	}
}

// cell starts a cell, on the line of the previous cell or below it.
func (w *layoutWriter) cell(r *row, column int) {
	switch {
	case r.columns && w.texts > r.mark:
		w.breakLine(max(w.due, 1))
	case r.columns:
	case w.texts > r.mark:
		w.due, w.join, w.column = 0, r, column
	case w.join == nil: // else an outer row is about to write its next cell
		w.first, w.column = r, column
	}
}
