package htmltext

import (
	"bytes"
	"slices"
	"strings"
)

const (
	// maxIndents bounds the indents that are shown, of quotations and lists
	// together: deeper text keeps the indent of this level.
	maxIndents = 12

	// minRoom is the room for line ends and indents, in octets, under which it is
	// doubled.
	minRoom = 1 << 10

	// maxTail bounds the steps behind a link's text that its address is put before:
	// more than the ends of the elements in a link that makes sense.
	maxTail = 50

	// maxCell is how long the text of a cell can be, in octets, for its row to
	// stay on one line. Longer ones are the columns of a page's layout.
	maxCell = 100
)

// layout gathers text and what separates it, and writes it out at the end: only
// then is it known which rows are rows of data and which a page's columns.
type layout struct {
	text   []byte // all words, one after the other
	ops    []op
	rows   []*row   // open ones
	tables []*table // open ones
	space  bool     // white space stands before the next word
}

// op is one step of writing.
type op struct {
	kind     opKind
	from, to int32   // opText, opPre: in layout.text; opCell: from is its column
	row      *row    // opRow, opCell, opRowEnd
	indent   *indent // opIndent
}

type opKind int8

const (
	opText    opKind = iota // words
	opPre                   // text whose leading spaces count
	opBlank                 // a no-break space: a blank line, where it stands alone
	opBreak                 // a new line, however many there are
	opGap                   // a blank line, however many there are
	opLine                  // one line end more, up to a blank line
	opPreLine               // one line end more
	opIndent
	opOutdent
	opRow
	opCell
	opRowEnd
)

// row is a row of a table.
type row struct {
	table   *table
	column  int  // of this cell
	next    int  // the column behind it
	columns bool // of a page: its cells stand below one another
	cells   int  // that have text
	text    bool // this cell has text
	broken  bool // this cell's text has ended its line
	size    int  // of this cell's text
	mark    int  // how many texts were written before the row
	behind  int  // the column behind the last cell that was written
}

// words adds running text, in which white space is only space.
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

// preformatted adds text as it is.
func (l *layout) preformatted(s string) {
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			l.addBreak(opPreLine)
		}
		if line = strings.TrimRight(line, "\r"); line != "" {
			from := len(l.text)
			l.text = append(l.text, line...)
			l.addText(opPre, from)
		}
	}
}

// addText adds the text from the offset on.
func (l *layout) addText(kind opKind, from int) {
	text := l.text[from:]
	blank := kind == opText && IsBlank(string(text))
	if n := len(l.rows); n > 0 {
		if blank { // an empty cell, or a space in one
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

// add notes text of that size in the current cell.
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

// isPage notes that the cells of a row are the columns of a page.
func (r *row) isPage() {
	r.columns = true
	if r.table != nil {
		r.table.pages = true
	}
}

// behind adds text behind the last one, before the line ends that came since; but
// not before what stood at that step.
func (l *layout) behind(s string, step int) {
	end := len(l.ops)
	for end > step && len(l.ops)-end < maxTail && l.ops[end-1].kind > opBlank {
		end--
	}
	if end == step || l.ops[end-1].kind > opBlank {
		end = len(l.ops)
	}
	from := len(l.text)
	l.text = append(append(l.text, ' '), s...)
	l.ops = slices.Insert(l.ops, end, op{kind: opText, from: int32(from), to: int32(len(l.text))})
}

// breakLine ends a line (1), or a paragraph (2).
func (l *layout) breakLine(lines int) {
	switch lines {
	case 1:
		l.addBreak(opBreak)
	case 2:
		l.addBreak(opGap)
	}
}

// newLine ends a line; the second in a row makes a blank one.
func (l *layout) newLine() { l.addBreak(opLine) }

func (l *layout) addBreak(kind opKind) {
	l.space = false
	if n := len(l.rows); n > 0 {
		if !l.rows[n-1].text {
			return // a cell does not begin with an empty line
		}
		l.rows[n-1].broken = true
	}
	// A third in a row changes nothing.
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

// cell begins the next cell of the innermost row, with the room that it takes.
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

// endRow ends the innermost row. For the cell that it stands in, it is text.
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

// String writes it all out. Lines have no white space at their end, and the
// text no blank line at its beginning or end.
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

// layoutWriter is where String stands.
type layoutWriter struct {
	out     []byte
	texts   int  // written so far
	due     int  // line ends before the next text
	join    *row // the next text is the next cell of this row
	first   *row // the next text is the first of this row
	column  int  // in which that stands
	indents []indent
	deeper  int // indents beyond maxIndents
	shared  int // the indents around both the last text and the next
}

// indent is what stands before each line.
type indent struct {
	first, rest string
	used        bool
}

func (w *layoutWriter) write(text []byte, pre bool) {
	switch {
	case w.join != nil && w.due == 0:
		w.out = append(append(bytes.TrimRight(w.out, " "), ' '), bars(max(1, w.join.skipped(w.join.behind, w.column+1)))...)
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

// lineEnds writes the line ends that are due, and the indent of the next line.
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

// blank is a no-break space without text: a blank line, where it has a line to
// itself, else a space.
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

// endRow ends a row. Rows of data stand close, whatever is in their cells.
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

// cell begins a cell: on the line of the one before it, or below it.
func (w *layoutWriter) cell(r *row, column int) {
	switch {
	case r.columns && w.texts > r.mark:
		w.breakLine(max(w.due, 1))
	case r.columns:
	case w.texts > r.mark:
		w.due, w.join, w.column = 0, r, column
	case w.join == nil: // else a row around this one waits for its next cell
		w.first, w.column = r, column
	}
}
