package console

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"
)

// Each figure stands below the name of its column.
func TestTablesHaveTheirColumns(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", nil)
	tables := 0
	for _, address := range []string{"/", "/messages"} {
		page, err := nethtml.Parse(strings.NewReader(f.get("ann", address, http.StatusOK)))
		if err != nil {
			t.Fatal(err)
		}
		for table := range page.Descendants() {
			if table.Data != "table" {
				continue
			}
			tables++
			counts := cells(table)
			if len(counts) < 2 || len(slices.Compact(slices.Clone(counts))) != 1 {
				t.Errorf("%s: the rows of a table have %d cells", address, counts)
			}
		}
	}
	if tables != 3 {
		t.Errorf("%d tables", tables)
	}
}

// cells returns how many cells each row of a table has.
func cells(table *nethtml.Node) (counts []int) {
	for row := range table.Descendants() {
		if row.Data != "tr" {
			continue
		}
		n := 0
		for cell := range row.ChildNodes() {
			if cell.Data == "th" || cell.Data == "td" {
				n++
			}
		}
		counts = append(counts, n)
	}
	return counts
}
