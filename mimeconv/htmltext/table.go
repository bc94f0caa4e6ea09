package htmltext

import "strings"

// maxColumns bounds the columns whose empty cells are kept. What stands further
// to the right is written cell after cell.
const maxColumns = 32

// table is a table of HTML, as far as its rows must know of one another: a cell
// that is empty in one row has text in others, and then it keeps its place.
type table struct {
	used   [maxColumns]bool  // columns that have text in some row
	below  [maxColumns]int16 // rows that the cells above reach down into
	header bool              // it has header cells
	pages  bool              // a row of it is a page's columns
}

// isData reports whether the table lists data: its empty cells say something.
func (t *table) isData() bool { return t != nil && (t.header || !t.pages) }

// place gives the next cell of a row its column, behind the cells that reach down
// from above, and takes its room.
func (r *row) place(columns, rows int) {
	r.column = r.next
	if r.table == nil {
		return
	}
	for r.column < maxColumns && r.table.below[r.column] > 0 {
		r.table.below[r.column]--
		r.column++
	}
	r.next = min(r.column+max(columns, 1), maxColumns)
	for i := r.column; i < r.next; i++ {
		r.table.below[i] = int16(min(rows, 1000)) - 1
	}
}

// end lets the cells that reach down from above end one row higher, where the row
// has no cell any more.
func (r *row) end() {
	if r.table == nil {
		return
	}
	for i := r.next; i < maxColumns; i++ {
		r.table.below[i] = max(r.table.below[i]-1, 0)
	}
}

// skipped counts the columns from one to before the other that show in a table.
func (r *row) skipped(from, to int) int {
	if !r.table.isData() {
		return 0
	}
	n := 0
	for i := from; i < min(to, maxColumns); i++ {
		if r.table.used[i] {
			n++
		}
	}
	return n
}

// bars separate a cell from the last one before it that has text.
func bars(n int) string { return strings.Repeat("| ", n) }
