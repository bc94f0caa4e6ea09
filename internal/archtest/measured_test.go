package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// make test runs the tests of all packages with the race detector, and without it those that it would disturb.
func TestMakeTestsAllPackages(t *testing.T) {
	if got, want := list(t, variable(t, "PACKAGES")...), list(t, "./..."); !slices.Equal(got, want) {
		t.Errorf("make test runs the tests of\n%q, want\n%q", got, want)
	}
	measured := list(t, variable(t, "MEASURED")...)
	for _, p := range list(t, "./...") {
		files, err := filepath.Glob(filepath.Join("../..", strings.TrimPrefix(p, "heyrelay/"), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(text, []byte("//go:build !race\n")) && !slices.Contains(measured, p) {
				t.Errorf("make test does not run %s", name)
			}
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

// list returns the packages that go list prints, sorted.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %q: %v", args, err)
	}
	all := strings.Fields(string(out))
	slices.Sort(all)
	return all
}
