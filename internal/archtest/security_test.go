package archtest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every test that docs/security.md names exists.
func TestSecurityTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllSubmatch(page, -1)
	if len(names) < 10 {
		t.Fatalf("docs/security.md names %d tests", len(names))
	}
	tests := testFunctions(t)
	for _, name := range names {
		if !tests[string(name[1])] {
			t.Errorf("docs/security.md names %s, which does not exist", name[1])
		}
	}
}

// Each attack of docs/security.md names a test that holds its defence, and sabotages that break
// it.
func TestAttacksHaveSabotages(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| Attack | Defence | Test | Sabotage |\n|---|---|---|---|\n")
	rows := 0
	for line := range strings.Lines(table) {
		cells := cellsOf(line)
		if len(cells) != 4 {
			break
		}
		rows++
		if !strings.Contains(cells[2], "`Test") {
			t.Errorf("%q names no test", cells[0])
		}
		checkSabotages(t, cells[0], cells[3])
	}
	if rows < 20 {
		t.Errorf("only %d attacks", rows)
	}
}

// testFunctions returns the names of the project's tests.
func testFunctions(t *testing.T) map[string]bool {
	all := make(map[string]bool)
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	for name, text := range tracked(t, ".go") {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range function.FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
	}
	return all
}
