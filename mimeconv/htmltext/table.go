package htmltext

import "strings"

// maxColumns bounds the columns whose empty cells are kept. Cells further to the right
// are written without placeholders.
const maxColumns = 32

// table is the state that the rows of a table share: an empty cell keeps its place if other
// rows have text in its column.
type table struct {
	used   [maxColumns]bool  // columns with text in any row
	below  [maxColumns]int16 // number of further rows that a cell above spans
	header bool              // it has header cells
	pages  bool              // one of its rows positions columns on the page
}

// isData reports whether the table contains data, so that empty cells are significant.
func (t *table) isData() bool { return t != nil && (t.header || !t.pages) }

// place assigns the next cell of a row its column, to the right of cells that span from
// above, and reserves its span.
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

// end counts down the cells that span from above in the columns after the last cell.
func (r *row) end() {
	if r.table == nil {
		return
	}
	for i := r.next; i < maxColumns; i++ {
		r.table.below[i] = max(r.table.below[i]-1, 0)
	}
}

// skipped returns the number of columns with text in [from, to), for tables with data.
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

// bars separates a cell from the previous cell with text.
func bars(n int) string { return strings.Repeat("| ", n) }
