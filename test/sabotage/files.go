package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sabotage is one file: the promise that it breaks, and the tests of package pkg that must notice.
type sabotage struct {
	name, why, pkg string
	tests          []string
	edits          []edit
	root           string // of the tree
}

// edit replaces old by new in file, a path from the root.
type edit struct{ file, old, new string }

// load reads the sabotage files below root whose path contains one of parts, or all of them.
func load(root string, parts []string) ([]sabotage, error) {
	files, err := filepath.Glob(filepath.Join(root, "test/sabotage/*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no sabotage files: run this from the top of the tree")
	}
	var all []sabotage
	for _, f := range files {
		if len(parts) > 0 && !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(f, p) }) {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		s, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		s.root, s.name = root, strings.TrimSuffix(filepath.Base(f), ".txt")
		all = append(all, s)
	}
	return all, nil
}

// parse reads lines "key: value", where a value continues in lines that begin with a tab.
func parse(text string) (sabotage, error) {
	var s sabotage
	var tests string
	var value *string
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if more, ok := strings.CutPrefix(line, "\t"); ok && value != nil {
			*value += "\n" + more
			continue
		}
		key, rest, _ := strings.Cut(line, ":")
		if key == "file" {
			s.edits = append(s.edits, edit{})
		}
		value = s.field(key, &tests)
		if value == nil {
			return s, fmt.Errorf("unexpected %q", line)
		}
		*value = strings.TrimLeft(rest, " ")
	}
	words := strings.Fields(tests)
	if s.why == "" || len(s.edits) == 0 || s.edits[0].old == "" || len(words) < 2 {
		return s, errors.New("why, file, old and test are required")
	}
	s.pkg, s.tests = words[0], words[1:]
	return s, nil
}

// field returns where the value of key belongs, or nil where the key is out of place.
func (s *sabotage) field(key string, tests *string) *string {
	switch key {
	case "why":
		return &s.why
	case "test":
		return tests
	}
	if len(s.edits) == 0 {
		return nil
	}
	e := &s.edits[len(s.edits)-1]
	switch key {
	case "file":
		return &e.file
	case "old":
		return &e.old
	case "new":
		return &e.new
	}
	return nil
}

// byFile returns the edits of each file, in their order.
func (s sabotage) byFile() map[string][]edit {
	edits := map[string][]edit{}
	for _, e := range s.edits {
		edits[e.file] = append(edits[e.file], e)
	}
	return edits
}

// overlay writes the broken sources into dir, and the file that makes the compiler take them.
func (s sabotage) overlay(dir string) (string, error) {
	sources := map[string][]byte{}
	for file, edits := range s.byFile() {
		source, err := os.ReadFile(filepath.Join(s.root, file))
		if err != nil {
			return "", err
		}
		for _, e := range edits {
			source, err = e.apply(source)
			if err != nil {
				return "", err
			}
		}
		sources[file] = source
	}
	return writeOverlay(s.root, dir, sources)
}

// apply returns the source with the edit made.
func (e edit) apply(source []byte) ([]byte, error) {
	if n := bytes.Count(source, []byte(e.old)); n != 1 {
		return nil, fmt.Errorf("%q stands %d times in %s, want once", e.old, n, e.file)
	}
	return bytes.Replace(source, []byte(e.old), []byte(e.new), 1), nil
}

// writeOverlay writes sources, by their paths from the root, into dir, and returns the path of the file that makes
// the compiler take them.
func writeOverlay(root, dir string, sources map[string][]byte) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, source := range sources {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		replace[filepath.Join(root, file)] = path
		if err := os.WriteFile(path, source, 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
