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
// To compile and link for each file would take most of the time. So the tests of a package are built once, with
// all the broken functions and values in them and a switch in front of each (see combination); and they must pass
// while no switch is set. Files that change something else are built one by one.
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

// workers run at the same time. Some tests wait rather than compute: one more than there are processors.
var workers = runtime.NumCPU() + 1

// slow is how long a test may take to fail before it is listed at the end.
const slow = 15 * time.Second

// timeout bounds a run of tests.
const timeout = "-timeout=120s"

func main() {
	began := time.Now()
	results, err := tryAll(".", os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "sabotage:", err)
		os.Exit(2)
	}
	if !report(results, time.Since(began)) {
		os.Exit(1)
	}
}

// tryAll commits the sabotages whose file names contain one of parts, or all of them.
func tryAll(root string, parts []string) ([]result, error) {
	all, err := load(root, parts)
	if err != nil {
		return nil, err
	}
	combined, alone, err := combine(root, all)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sabotage")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	together, err := combined.build(dir)
	if err != nil {
		return nil, err
	}
	var tries []trial // those that take longest first
	for _, s := range alone {
		tries = append(tries, trial{s.name, s.tryAlone})
	}
	return run(append(tries, together...)), nil
}

// report sums up, and reports whether all went as it should. Who sees only the end of the output, as that of a CI run,
// must learn what failed: it is said there, once more and shortened.
func report(results []result, took time.Duration) bool {
	failed := 0
	for _, r := range results {
		if r.took > slow {
			fmt.Printf("slow: %.0f s for %s\n", r.took.Seconds(), r.name)
		}
	}
	for _, r := range results {
		if r.problem != "" {
			failed++
			fmt.Printf("failed: %s: %s\n", r.name, shorten(r.problem))
		}
	}
	fmt.Printf("sabotage: %d trials, %d failed, in %.0f s\n", len(results), failed, took.Seconds())
	return failed == 0 && len(results) > 0
}

// shorten returns the beginning and the end of a problem, where it is longer than some lines.
func shorten(problem string) string {
	const part = 1000
	if len(problem) <= 2*part {
		return problem
	}
	return problem[:part] + "\n[…]\n" + problem[len(problem)-part:]
}

// trial is one run of tests; try returns what is wrong, or nothing.
type trial struct {
	name string
	try  func() (problem string)
}

// result is the outcome of one trial.
type result struct {
	name, problem string
	took          time.Duration
}

// run makes all trials and prints each result as it comes.
func run(trials []trial) []result {
	var wg sync.WaitGroup
	next, done := make(chan trial), make(chan result)
	for range workers {
		wg.Go(func() {
			for t := range next {
				began := time.Now()
				problem := t.try()
				done <- result{name: t.name, problem: problem, took: time.Since(began)}
			}
		})
	}
	go func() {
		for _, t := range trials {
			next <- t
		}
		close(next)
		wg.Wait()
		close(done)
	}()
	var results []result
	for r := range done {
		results = append(results, r)
		if r.problem == "" {
			fmt.Printf("ok %5.1f s  %s\n", r.took.Seconds(), r.name)
		} else {
			fmt.Printf("NOT NOTICED %s: %s\n", r.name, r.problem)
		}
	}
	return results
}

// tryAlone breaks one promise in a tree of its own, and returns what is wrong if its test does not notice.
func (s sabotage) tryAlone() string {
	dir, err := os.MkdirTemp("", "sabotage")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	overlay, err := s.overlay(dir)
	if err != nil {
		return err.Error()
	}
	cmd := exec.Command("go", "test", "-count=1", timeout, "-vet=off", "-ldflags=-s -w", "-run", pattern(s.tests), s.pkg)
	cmd.Dir = s.root
	cmd.Env = environment(overlay)
	return s.judge(cmd.CombinedOutput())
}

// environment is that of every go command and every test. Its flags are those of a release, to share the cache.
func environment(overlay string) []string {
	return append(os.Environ(), "GOFLAGS=-trimpath -overlay="+overlay, "CGO_ENABLED=0")
}

// judge returns what is wrong if the tests of s, which ended with err and printed out, did not notice.
func (s sabotage) judge(out []byte, err error) string {
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

// failed reports whether the named test failed, by itself or by a panic. A failed build does not count, nor does a
// test that noticed nothing and waited until its time was up.
func failed(out, test string) bool {
	if regexp.MustCompile(`(?m)^ *--- FAIL: ` + regexp.QuoteMeta(test) + ` `).MatchString(out) {
		return true
	}
	return strings.Contains(out, "panic: ") && !strings.Contains(out, "panic: test timed out")
}
