package htmltext

import (
	"bytes"
	"slices"
)

const (
	// maxIndents bounds the indentation of quotations and lists together. Text nested
	// more deeply keeps the indent of this level.
	maxIndents = 12

	// minRoom is the free capacity, in octets, below which the output is doubled.
	minRoom = 1 << 10
)

// write returns the text, or the start of one that is longer than limit octets. Lines have no
// trailing white space, and the text has no leading or trailing blank lines.
func (l *layout) write(limit int) string {
	w := layoutWriter{limit: limit}
	for _, o := range l.ops {
		if w.isFull() {
			break
		}
		switch o.kind {
		case opText:
			w.write(l.text[o.from:o.to], false)
		case opPre:
			w.lines(l.text[o.from:o.to])
		case opBlank:
			w.blank()
		case opBreak:
			w.breakLine(max(w.due, 1))
		case opGap:
			w.breakLine(max(w.due, 2))
		case opLine:
			w.breakLine(max(w.due, min(w.due+1, 2)))
		case opPreLines:
			w.breakLine(w.due + int(o.to))
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

// layoutWriter is the state of layout.write.
type layoutWriter struct {
	out     []byte
	limit   int  // octets of out, after which nothing more is written
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

func (w *layoutWriter) isFull() bool { return len(w.out) > w.limit }

// lines writes preformatted text.
func (w *layoutWriter) lines(text []byte) {
	for more := true; more && !w.isFull(); {
		var line []byte
		line, text, more = bytes.Cut(text, []byte("\n"))
		if len(line) > 0 {
			w.write(line, true)
		}
		if more {
			w.breakLine(w.due + 1)
		}
	}
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
			if w.isFull() {
				return
			}
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
