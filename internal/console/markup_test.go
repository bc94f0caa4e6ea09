package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"

	"heyrelay/internal/spool"
)

// tree is the markup of the page that Ann sees at an address.
func (f *fixture) tree(address string) *nethtml.Node {
	f.Helper()
	page, err := nethtml.Parse(strings.NewReader(f.get("ann", address, http.StatusOK)))
	if err != nil {
		f.Fatal(err)
	}
	return page
}

// Each figure stands below the name of its column.
func TestTablesHaveTheirColumns(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", nil)
	tables := 0
	for _, address := range []string{"/", "/messages"} {
		for table := range f.tree(address).Descendants() {
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

// What leads on from a list follows it: a link that stays as it was would pass over what has moved meanwhile.
func TestPagesFollow(t *testing.T) {
	f := newFixture(t)
	for i := range pageSize + 1 {
		f.accept(fmt.Sprintf("Q%d", i), func(m *spool.Message) {
			m.Requests[0].Own, m.Requests[0].Lookup = []spool.Key{{1}}, []spool.Key{{1}}
		})
	}
	for address, links := range map[string]int{"/messages?route=support": 5, "/conversations/1": 1} {
		for n := range f.tree(address).Descendants() {
			href := attribute(n, "href")
			if !strings.Contains(href, "from=") && !strings.HasPrefix(href, "/actions/") {
				continue
			}
			links--
			isLive := func(above *nethtml.Node) bool { return attribute(above, "id") != "" && has(above, "data-live") }
			if !slices.ContainsFunc(slices.Collect(n.Ancestors()), isLive) {
				t.Errorf("%s: %s is not live", address, href)
			}
		}
		if links != 0 {
			t.Errorf("%s: %d links are missing", address, links)
		}
	}
}

func attribute(n *nethtml.Node, name string) string {
	i := slices.IndexFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Key == name })
	if i < 0 {
		return ""
	}
	return n.Attr[i].Val
}

func has(n *nethtml.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a nethtml.Attribute) bool { return a.Key == name })
}
