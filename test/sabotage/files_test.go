package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFiles fails where a sabotage file is out of date: its old text does not stand exactly once in its source,
// or no test of that name exists. It runs nothing.
func TestFiles(t *testing.T) {
	const root = "../.."
	all, err := load(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]string{} // the tests' sources by package
	for _, s := range all {
		if _, err := s.overlay(t.TempDir()); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if declared[s.pkg] == "" {
			declared[s.pkg] = tests(t, filepath.Join(root, s.pkg))
		}
		for _, name := range s.tests {
			function, _, _ := strings.Cut(name, "/")
			if !regexp.MustCompile(`(?m)^func ` + function + `\(`).MatchString(declared[s.pkg]) {
				t.Errorf("%s: %s has no %s", s.name, s.pkg, function)
			}
		}
	}
}

// tests returns the test files of a package, one after the other.
func tests(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
