package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var sabotageID = regexp.MustCompile(`^[A-Z]\d{2,3}$`)

// Each row of a table in docs/durability.md that has a column of tests names at least one, and each that it names
// exists; so does each sabotage.
func TestDurabilityHasTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/durability.md")
	if err != nil {
		t.Fatal(err)
	}
	var header []string
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			header = nil
			continue
		}
		cells := cellsOf(line)
		if header == nil {
			header = cells
			continue
		}
		if strings.HasPrefix(cells[0], "---") {
			continue
		}
		rows++
		for i, cell := range cells {
			switch header[i] {
			case "tests":
				checkTests(t, cells[0], cell)
			case "sabotage":
				checkSabotages(t, cells[0], cell)
			}
		}
	}
	if rows < 60 {
		t.Errorf("only %d claims", rows)
	}
}

func cellsOf(line string) []string {
	var cells []string
	for cell := range strings.SplitSeq(strings.Trim(line, "| \n"), "|") {
		cells = append(cells, strings.TrimSpace(cell))
	}
	return cells
}

func checkTests(t *testing.T, claim, cell string) {
	t.Helper()
	links := mdLink.FindAllStringSubmatch(cell, -1)
	if len(links) == 0 {
		t.Errorf("%q names no test", claim)
	}
	for _, link := range links {
		file := filepath.Join("../../docs", link[2])
		if !strings.Contains(file, "/spooltest/") {
			checkLink(t, claim, link[1], file)
			continue
		}
		text, err := os.ReadFile(file)
		_, name, _ := strings.Cut(link[1], "/")
		if err != nil || !strings.Contains(string(text), `{"`+name+`", func(`) {
			t.Errorf("%q: %s has no case %s (%v)", claim, file, name, err)
		}
	}
}

func checkSabotages(t *testing.T, claim, cell string) {
	t.Helper()
	for id := range strings.SplitSeq(cell, ", ") {
		files, err := filepath.Glob("../../test/sabotage/" + id + "-*.txt")
		if err != nil || len(files) == 0 || !sabotageID.MatchString(id) {
			t.Errorf("%q: there is no sabotage %q (%v)", claim, id, err)
		}
	}
}
