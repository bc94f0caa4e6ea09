package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	proseColumns = 110 // of Markdown, which wraps at about 100
	mostValues   = 3   // in one assignment
)

// tracked returns the repository's files with one of the extensions, with their paths from its root, but not
// test data.
func tracked(t *testing.T, extensions ...string) map[string]string {
	t.Helper()
	files := trackedWithData(t, extensions...)
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.Contains(name, "testdata/") })
	return files
}

// trackedWithData is tracked with test data.
func trackedWithData(t *testing.T, extensions ...string) map[string]string {
	t.Helper()
	out, err := exec.Command("git", "-C", "../..", "ls-files", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if !slices.Contains(extensions, filepath.Ext(name)) {
			continue
		}
		text, err := os.ReadFile(filepath.Join("../..", name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	if len(files) == 0 {
		t.Fatalf("no files with the extensions %q", extensions)
	}
	return files
}

// The initialiser of an if or switch defines what the statement is about; it changes nothing.
func TestInitialisersOnlyDefine(t *testing.T) {
	inspect(t, func(_ string, n ast.Node) string {
		var init ast.Stmt
		switch n := n.(type) {
		case *ast.IfStmt:
			init = n.Init
		case *ast.SwitchStmt:
			init = n.Init
		case *ast.TypeSwitchStmt:
			init = n.Init
		}
		if init == nil {
			return ""
		}
		if a, ok := init.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			return ""
		}
		return "the initialiser changes state; give it a statement of its own"
	})
}

func TestAssignmentsAreShort(t *testing.T) {
	inspect(t, func(_ string, n ast.Node) string {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) > mostValues {
			return "more than three values are assigned in one statement"
		}
		return ""
	})
}

// inspect reports what problem returns for each node of each Go file.
func inspect(t *testing.T, problem func(file string, n ast.Node) string) {
	t.Helper()
	fset := token.NewFileSet()
	for name, text := range tracked(t, ".go") {
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				return false
			}
			if p := problem(name, n); p != "" {
				t.Errorf("%s: %s", fset.Position(n.Pos()), p)
			}
			return true
		})
	}
}

// Prose wraps at about 100 columns; golangci-lint measures Go.
func TestMarkdownIsWrapped(t *testing.T) {
	for name, text := range tracked(t, ".md") {
		fenced := false
		for i, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				fenced = !fenced
			}
			aside := fenced || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    ")
			if n := utf8.RuneCountInString(line); n > proseColumns && !aside {
				t.Errorf("%s:%d: %d columns, wrap at 100", name, i+1, n)
			}
		}
	}
}
