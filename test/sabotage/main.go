// Command sabotage shows that the tests can fail. Each file NN-name.txt beside it names a source file, a text
// in it, a text that breaks a promise when it stands there instead, and the test that must then fail:
//
//	why:  a retry must repeat the local_id
//	file: internal/delivery/outcome.go
//	old:  LocalID: t.LocalID}
//	new:  LocalID: uuid.NewString()}
//	test: ./internal/relay TestCases/I6
//
// A value continues in lines that begin with a tab. Where several tests of the package are named, each must
// fail. Where a promise is kept in two places, file, old and new are repeated. The old text must stand in its
// file exactly once. Nothing in the tree changes: the compiler gets the broken source by -overlay, also where a
// test builds the binary.
//
// Usage, from the top of the tree: go run ./test/sabotage [part of a name …]
package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// workers run at the same time; each compiles and links one test binary. Some tests wait rather than compute: one
// more than there are processors.
var workers = runtime.NumCPU() + 1

// slow is how long a test may take to fail before it is listed at the end.
const slow = 15 * time.Second

func main() {
	all, err := load(".", os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(2)
	}
	began := time.Now()
	results := run(all)
	survived := 0
	for _, r := range results {
		if r.problem != "" {
			survived++
		}
		if r.took > slow {
			fmt.Printf("slow: %.0f s for %s\n", r.took.Seconds(), r.name)
		}
	}
	fmt.Printf("sabotage: %d promises broken, %d noticed, %d not, in %.0f s\n",
		len(all), len(all)-survived, survived, time.Since(began).Seconds())
	if survived > 0 || len(all) == 0 {
		os.Exit(1)
	}
}

// result is the outcome of one sabotage; problem is empty where its test noticed.
type result struct {
	name, problem string
	took          time.Duration
}

// run tries all and prints each result as it comes.
func run(all []sabotage) []result {
	var wg sync.WaitGroup
	next, done := make(chan sabotage), make(chan result)
	for range workers {
		wg.Go(func() {
			for s := range next {
				began := time.Now()
				problem := try(s)
				done <- result{name: s.name, problem: problem, took: time.Since(began)}
			}
		})
	}
	go func() {
		for _, s := range all {
			next <- s
		}
		close(next)
		wg.Wait()
		close(done)
	}()
	var results []result
	for r := range done {
		results = append(results, r)
		if r.problem == "" {
			fmt.Printf("noticed %5.1f s  %s\n", r.took.Seconds(), r.name)
		} else {
			fmt.Printf("NOT NOTICED %s: %s\n", r.name, r.problem)
		}
	}
	return results
}

// try breaks one promise and returns what is wrong if its test does not notice.
func try(s sabotage) string {
	dir, err := os.MkdirTemp("", "sabotage")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	overlay, err := s.overlay(dir)
	if err != nil {
		return err.Error()
	}
	flags := []string{"test", "-count=1", "-timeout=120s", "-vet=off", "-ldflags=-s -w"}
	cmd := exec.Command("go", append(flags, "-run", pattern(s.tests), s.pkg)...)
	cmd.Env = append(os.Environ(), "GOFLAGS=-overlay="+overlay, "CGO_ENABLED=0") // cgo as released, to share the cache
	out, err := cmd.CombinedOutput()
	if err == nil {
		return fmt.Sprintf("%s %s passes: %s", s.pkg, strings.Join(s.tests, " "), s.why)
	}
	for _, test := range s.tests {
		if !failed(string(out), test) {
			return fmt.Sprintf("%s did not fail:\n%s", test, out)
		}
	}
	return ""
}

// pattern selects the tests, level by level as -run expects it.
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
		all = append(all, "^("+strings.Join(slices.Compact(l), "|")+")$")
	}
	return strings.Join(all, "/")
}

// failed reports whether the named test failed, by itself or by ending the run. A failed build does not count.
func failed(out, test string) bool {
	return regexp.MustCompile(`(?m)^ *--- FAIL: `+regexp.QuoteMeta(test)+` `).MatchString(out) ||
		strings.Contains(out, "panic: ") || strings.Contains(out, "WARNING: DATA RACE")
}
