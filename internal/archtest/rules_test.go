package archtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	rulesFile = "../../docs/rules.md"
	casesDir  = "../../internal/relay/testdata"

	messagesDir = "../../mimeconv/testdata"
)

var (
	ruleStart = regexp.MustCompile(`^- \*\*(\d+\.\d+)\*\* `)
	mdLink    = regexp.MustCompile(`\[([^\]]+)\]\(([^)#]+)\)`)
	caseID    = regexp.MustCompile(`\b[A-Z]\d{1,2}\b`)
	caseName  = regexp.MustCompile(`^([A-Z])0*(\d+)(-[^.]*)?\.txt$`)
	citation  = regexp.MustCompile(`\b[Rr]ules? (\d+\.\d+)\b`)
)

// rule is a numbered rule or a case of docs/rules.md.
type rule struct {
	id    string
	text  string
	links [][]string // [whole, text, target]
}

// readRules returns the numbered rules and the cases.
func readRules(t *testing.T) (numbered, cases []rule) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.ReplaceAll(string(text), "\n  ", " ") // a rule is one line
	for line := range strings.Lines(joined) {
		links := mdLink.FindAllStringSubmatch(line, -1)
		if m := ruleStart.FindStringSubmatch(line); m != nil {
			numbered = append(numbered, rule{id: m[1], text: line, links: links})
		}
		if strings.HasPrefix(line, "| [") {
			cases = append(cases, rule{id: links[0][1], text: line, links: links})
		}
	}
	return numbered, cases
}

func idsOf(rules []rule) []string {
	var ids []string
	for _, r := range rules {
		ids = append(ids, r.id)
	}
	return ids
}

// Every rule names a case or a test, and each that it names exists.
func TestRulesHaveTests(t *testing.T) {
	numbered, cases := readRules(t)
	if len(numbered) < 50 || len(cases) < 90 {
		t.Fatalf("only %d rules and %d cases", len(numbered), len(cases))
	}
	ids := append(idsOf(numbered), idsOf(cases)...)
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			t.Errorf("%s: two rules have this id", id)
		}
	}
	for _, r := range slices.Concat(numbered, cases) {
		named := caseID.FindAllString(mdLink.ReplaceAllString(r.text, ""), -1)
		if len(named)+len(r.links) == 0 {
			t.Errorf("rule %s names no case and no test", r.id)
		}
		for _, id := range named {
			if !slices.Contains(ids, id) {
				t.Errorf("rule %s names %s, which docs/rules.md does not have", r.id, id)
			}
		}
		for _, link := range r.links {
			checkLink(t, r.id, link[1], filepath.Join("../../docs", link[2]))
		}
	}
}

// checkLink checks that a file exists and, if it is Go, has the test that the link
// names.
func checkLink(t *testing.T, id, name, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("rule %s: %v", id, err)
		return
	}
	if !strings.HasSuffix(file, ".go") {
		return
	}
	test := regexp.MustCompile(`\nfunc (Test|Fuzz)?` + regexp.QuoteMeta(name) + `\(t \*testing\.T\)`)
	if !test.Match(text) {
		t.Errorf("rule %s: %s has no test %s", id, file, name)
	}
}

// Every case file has a row under its own id, and begins with it.
func TestCasesHaveRules(t *testing.T) {
	_, cases := readRules(t)
	listed := map[string]string{} // ids by file
	for _, c := range cases {
		for _, link := range c.links {
			listed[filepath.Base(link[2])] = c.id
		}
	}
	files, err := os.ReadDir(casesDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		m := caseName.FindStringSubmatch(f.Name())
		if m == nil {
			t.Errorf("%s: the name of a case is its id and words: H3-unauthorized.txt", f.Name())
			continue
		}
		id := m[1] + m[2]
		if listed[f.Name()] != id {
			t.Errorf("docs/rules.md has no row with id %s that links to %s; add one", id, f.Name())
		}
		text, err := os.ReadFile(filepath.Join(casesDir, f.Name()))
		if err != nil || !strings.HasPrefix(string(text), id+": ") {
			t.Errorf("%s does not begin with %q (%v)", f.Name(), id+": ", err)
		}
	}
}

// Every message of mimeconv has a row that says what a reader must see, as its golden file does.
func TestMessagesHaveRules(t *testing.T) {
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(messagesDir + "/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no messages", err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".eml")
		text, err := os.ReadFile(strings.TrimSuffix(f, ".eml") + ".json")
		if err != nil {
			t.Error(err)
			continue
		}
		var golden struct{ See string }
		if err := json.Unmarshal(text, &golden); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		row := "| [" + name + "](../mimeconv/testdata/" + name + ".eml) | " + golden.See + " |\n"
		if !strings.Contains(string(rules), row) {
			t.Errorf("docs/rules.md lacks this row in section 6:\n%s", row)
		}
	}
}

// What code and documents cite as a rule is one.
func TestCitedRulesExist(t *testing.T) {
	numbered, _ := readRules(t)
	ids := idsOf(numbered)
	for name, text := range trackedWithData(t, ".go", ".md", ".sql", ".txt") {
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(ids, m[1]) {
				t.Errorf("%s cites rule %s, which docs/rules.md does not have", name, m[1])
			}
		}
	}
}

// Every letter of a sabotage file has its meaning in the legend.
func TestSabotageLegend(t *testing.T) {
	legend, err := os.ReadFile("../../test/sabotage/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../test/sabotage/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no sabotage files", err)
	}
	for _, f := range files {
		if letter := filepath.Base(f)[:1]; !strings.Contains(string(legend), "\n| "+letter+" | ") {
			t.Errorf("%s: test/sabotage/README.md does not explain the letter %s", filepath.Base(f), letter)
		}
	}
}
