package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// make test runs the tests of all packages: those of PACKAGES with the race detector, and those of SERIAL without.
func TestMakeTestsAllPackages(t *testing.T) {
	patterns := append(variable(t, "PACKAGES"), variable(t, "SERIAL")...)
	if got, want := list(t, patterns...), list(t, "./..."); !slices.Equal(got, want) {
		t.Errorf("make test runs the tests of\n%q, want\n%q", got, want)
	}
}

// What make test runs without the race detector starts no goroutine, in its code or in its tests.
func TestSerialStartsNothing(t *testing.T) {
	for _, p := range list(t, variable(t, "SERIAL")...) {
		files, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(p, "heyrelay/"), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of %s: %v", p, err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", name)
				case *ast.SelectorExpr:
					if slices.Contains([]string{"Go", "Parallel", "RunParallel", "AfterFunc"}, n.Sel.Name) {
						t.Errorf("%s calls %s, which starts a goroutine", name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// variable returns the words of a variable in the Makefile.
func variable(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + ` := (.*)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("the Makefile has no %s", name)
	}
	return strings.Fields(string(found[1]))
}

// list returns the packages that the patterns match, sorted.
func list(t *testing.T, patterns ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, patterns...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %q: %v", patterns, err)
	}
	all := strings.Fields(string(out))
	slices.Sort(all)
	return all
}
