// Command sabotage proves that the tests can fail. Each file NN-name.txt beside
// it names a source file, one line of it, a line that breaks a promise in its
// place, and the test that must then fail:
//
//	why:  a retry must repeat the local_id
//	file: internal/delivery/outcome.go
//	old:  LocalID: t.LocalID}
//	new:  LocalID: uuid.NewString()}
//	test: ./internal/relay TestCases/I6
//
// Where several tests are named, in one package, each must fail. Where a promise
// is kept twice over, file, old and new stand once for each place. The old text
// must stand in its file exactly once. Nothing in the tree is changed: the broken
// source reaches the compiler through -overlay, also where a test builds the
// binary.
// Usage, from the top of the tree: go run ./test/sabotage [name part …]
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// workers run at the same time; each compiles one test binary.
const workers = 2

type sabotage struct {
	name, why, pkg string
	tests          []string
	edits          []edit
}

// edit is one place that is broken.
type edit struct{ file, old, new string }

func main() {
	files, err := filepath.Glob("test/sabotage/*.txt")
	if err != nil || len(files) == 0 {
		fatal("no sabotage files: run this from the top of the tree")
	}
	var all []sabotage
	for _, f := range files {
		if wanted(f, os.Args[1:]) {
			all = append(all, parse(f))
		}
	}
	survived := run(all)
	fmt.Printf("sabotage: %d promises broken, %d noticed, %d not\n", len(all), len(all)-survived, survived)
	if survived > 0 || len(all) == 0 {
		os.Exit(1)
	}
}

func wanted(file string, parts []string) bool {
	return len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(file, p) })
}

// run tries all and counts those that no test noticed.
func run(all []sabotage) (survived int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := make(chan sabotage)
	for range workers {
		wg.Go(func() {
			for s := range next {
				problem := try(s)
				mu.Lock()
				if problem == "" {
					fmt.Printf("noticed   %-40s %s %s\n", s.name, s.pkg, strings.Join(s.tests, " "))
				} else {
					survived++
					fmt.Printf("NOT NOTICED %s: %s\n", s.name, problem)
				}
				mu.Unlock()
			}
		})
	}
	for _, s := range all {
		next <- s
	}
	close(next)
	wg.Wait()
	return survived
}

// try breaks one promise and says what is wrong if its test does not notice.
func try(s sabotage) string {
	dir, err := os.MkdirTemp("", "sabotage")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	overlay, err := broken(dir, s.edits)
	if err != nil {
		return err.Error()
	}
	cmd := exec.Command("go", "test", "-count=1", "-timeout=120s", "-vet=off", "-ldflags=-s -w", "-run", pattern(s.tests), s.pkg)
	cmd.Env = append(os.Environ(), "GOFLAGS=-overlay="+overlay, "CGO_ENABLED=0") // as it is released, and the cache is shared with that
	out, err := cmd.CombinedOutput()
	if err == nil {
		return fmt.Sprintf("%s %s stays green: %s", s.pkg, strings.Join(s.tests, " "), s.why)
	}
	for _, test := range s.tests {
		if !failed(string(out), test) {
			return fmt.Sprintf("%s did not fail:\n%s", test, out)
		}
	}
	return ""
}

// pattern selects the tests, level by level as -run wants it.
func pattern(tests []string) string {
	var levels [][]string
	for _, t := range tests {
		for i, name := range strings.Split(t, "/") {
			if i == len(levels) {
				levels = append(levels, nil)
			}
			levels[i] = append(levels[i], regexp.QuoteMeta(name))
		}
	}
	var all []string
	for _, l := range levels {
		all = append(all, "^("+strings.Join(l, "|")+")$")
	}
	return strings.Join(all, "/")
}

// broken writes the broken sources and the overlay that puts them in place.
func broken(dir string, edits []edit) (overlay string, err error) {
	replace := map[string]string{}
	for i, e := range edits {
		source, err := os.ReadFile(e.file)
		if err != nil {
			return "", err
		}
		if n := bytes.Count(source, []byte(e.old)); n != 1 {
			return "", fmt.Errorf("%q stands %d times in %s, it must stand there once", e.old, n, e.file)
		}
		original, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(dir, fmt.Sprintf("%d%s", i, filepath.Ext(e.file)))
		if err := os.WriteFile(replace[original], bytes.Replace(source, []byte(e.old), []byte(e.new), 1), 0o600); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// failed reports whether the named test failed, by itself or by ending the run;
// a build that failed is none.
func failed(out, test string) bool {
	return regexp.MustCompile(`(?m)^ *--- FAIL: `+regexp.QuoteMeta(test)+` `).MatchString(out) ||
		strings.Contains(out, "panic: ") || strings.Contains(out, "WARNING: DATA RACE")
}

// parse reads a sabotage file: lines "key: value", where a value goes on in
// lines that begin with a tab.
func parse(file string) sabotage {
	text, err := os.ReadFile(file)
	if err != nil {
		fatal("%v", err)
	}
	s := sabotage{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	var tests string
	var value *string
	for _, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		if more, ok := strings.CutPrefix(line, "\t"); ok && value != nil {
			*value += "\n" + more
			continue
		}
		key, rest, _ := strings.Cut(line, ":")
		switch key {
		case "why":
			value = &s.why
		case "test":
			value = &tests
		case "file":
			s.edits = append(s.edits, edit{})
			value = &s.edits[len(s.edits)-1].file
		case "old", "new":
			if len(s.edits) == 0 {
				fatal("%s: %s before any file", file, key)
			}
			e := &s.edits[len(s.edits)-1]
			if value = &e.old; key == "new" {
				value = &e.new
			}
		default:
			fatal("%s: %q is not of the form key: value", file, line)
		}
		*value = strings.TrimLeft(rest, " ")
	}
	words := strings.Fields(tests)
	if s.why == "" || len(s.edits) == 0 || s.edits[0].old == "" || len(words) < 2 {
		fatal("%s: why, file, old and test are needed", file)
	}
	s.pkg, s.tests = words[0], words[1:]
	return s
}

func fatal(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "sabotage: "+format+"\n", args...)
	os.Exit(2)
}
