package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// tree has functions and values of every form, each broken by a file, and files whose break nobody notices.
const tree = `
-- go.mod --
module tree

go 1.26
-- a/a.go --
package a

import "time"

const Limit = 3

const (
	ending = "."
	phrase = "one" +
		" two" + ending
)

const patience = 2 * time.Second

var words any = map[string]int{"a": 1, "b": 2}

type List[T any] []T

func (l List[T]) Last() (last T, ok bool) {
	if len(l) == 0 {
		return
	}
	last, ok = l[len(l)-1], true
	return
}

func Fill(in []int, more ...int) {
	copy(in, more)
}

func Find(in []int, want int) int {
search:
	for i, n := range in {
		if n == want {
			return i
		}
		if n > want {
			break search
		}
	}
	return -1
}

func Safely(f func()) (err any) {
	defer func() {
		err = recover()
	}()
	f()
	return nil
}

func Catch(caught *any) { *caught = recover() }
-- a/a_test.go --
package a

import (
	"testing"
	"time"
)

func TestLast(t *testing.T) {
	if n, ok := (List[int]{1, 2}).Last(); n != 2 || !ok {
		t.Error(n, ok)
	}
	t.Run("Empty", func(t *testing.T) {
		if _, ok := (List[int]{}).Last(); ok {
			t.Error(ok)
		}
	})
}

func TestFill(t *testing.T) {
	in := make([]int, 2)
	Fill(in, 1, 2)
	if in[1] != 2 {
		t.Error(in)
	}
}

func TestFind(t *testing.T) {
	if i := Find([]int{1, 2}, 2); i != 1 {
		t.Error(i)
	}
}

func TestCatch(t *testing.T) {
	var caught any
	func() {
		defer Catch(&caught)
		panic(1)
	}()
	if caught != 1 {
		t.Error(caught)
	}
}

func TestValues(t *testing.T) {
	if phrase != "one two." || patience != 2*time.Second {
		t.Error(phrase, patience)
	}
	if n := words.(map[string]int)["b"]; n != 2 {
		t.Error(n)
	}
}

func TestSafely(t *testing.T) {
	if Safely(func() { panic(1) }) == nil || Limit != 3 {
		t.Error()
	}
}
-- test/sabotage/A1-named-results.txt --
why: the first is taken for the last
file: a/a.go
old: last, ok = l[len(l)-1], true
new: last, ok = l[0], true
test: ./a TestLast
-- test/sabotage/A2-in-a-subtest.txt --
why: there is always a last
file: a/a.go
old: if len(l) == 0 {
new: if ok = true; len(l) == 0 {
test: ./a TestLast/Empty
-- test/sabotage/A3-no-result.txt --
why: nothing is filled
file: a/a.go
old: copy(in, more)
new: copy(more, in)
test: ./a TestFill
-- test/sabotage/A4-a-label.txt --
why: nothing is found
file: a/a.go
old: return i
new: if i >= 0 { break search }
test: ./a TestFind
-- test/sabotage/A5-a-recovered-panic.txt --
why: a panic is hidden
file: a/a.go
old: err = recover()
new: recover()
test: ./a TestSafely
-- test/sabotage/A6-a-text.txt --
why: another text
file: a/a.go
old: two" + ending
	)
new: three" + ending
	)
test: ./a TestValues
-- test/sabotage/A7-the-same-text.txt --
why: another text again
file: a/a.go
old: "one"
new: "two"
test: ./a TestValues
-- test/sabotage/A8-a-variable-with-a-type.txt --
why: another map
file: a/a.go
old: "b": 2
new: "b": 3
test: ./a TestValues
-- test/sabotage/A9-a-duration.txt --
why: no patience
file: a/a.go
old: 2 * time
new: 3 * time
test: ./a TestValues
-- test/sabotage/B1-a-deferred-function.txt --
why: nothing is caught
file: a/a.go
old: *caught = recover()
new: recover()
test: ./a TestCatch
-- test/sabotage/B2-a-number.txt --
why: another limit
file: a/a.go
old: Limit = 3
new: Limit = 4
test: ./a TestSafely
-- test/sabotage/B3-a-text-of-a-constant.txt --
why: another ending
file: a/a.go
old: ending = "."
new: ending = "!"
test: ./a TestValues
-- test/sabotage/C1-harmless.txt --
why: nobody notices
file: a/a.go
old: if n > want {
new: if n > want+1 {
test: ./a TestFind
-- test/sabotage/C2-harmless-constant.txt --
why: nobody notices
file: a/a.go
old: const Limit = 3
new: const Limit = 1 + 2
test: ./a TestSafely
-- test/sabotage/C3-another-test.txt --
why: one of two tests notices
file: a/a.go
old: return -1
new: return -2; panic("never")
test: ./a TestFind TestFill
`

// What a test notices is told from what it does not, whether a sabotage is built with others or alone.
func TestTryAll(t *testing.T) {
	root := t.TempDir()
	for _, f := range txtar.Parse([]byte(tree)).Files {
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	results, err := tryAll(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if noticed := r.problem == ""; noticed == strings.HasPrefix(r.name, "C") {
			t.Errorf("%s: noticed is %v: %s", r.name, noticed, r.problem)
		}
	}
	if len(results) != 15+2 {
		t.Errorf("%d results, want one for each file and for each depth of tests", len(results))
	}
	all, err := load(root, []string{"/A", "/B"})
	if err != nil {
		t.Fatal(err)
	}
	combined, alone, err := combine(root, all)
	if err != nil || len(combined.members) != 9 || len(alone) != 3 {
		t.Errorf("%d are built together, %d alone (%v), want those with A and those with B",
			len(combined.members), len(alone), err)
	}
}

// What fails, or panics, has noticed; what waits until its time is up has not.
func TestFailed(t *testing.T) {
	for out, want := range map[string]bool{
		"--- FAIL: TestA (0.01s)\n":                                   true,
		"    --- FAIL: TestA (0.01s)\n":                               true,
		"panic: oops\n":                                               true,
		"panic: test timed out after 2m0s\n":                          false,
		"--- FAIL: TestB (0.01s)\nFAIL\n":                             false,
		"FAIL\theyrelay/a [build failed]\nFAIL\n":                     false,
		"--- FAIL: TestA (0.01s)\npanic: test timed out after 2m0s\n": true,
	} {
		if got := failed(out, "TestA"); got != want {
			t.Errorf("%q: %v, want %v", out, got, want)
		}
	}
}

// Hardly anything is built alone.
func TestCombine(t *testing.T) {
	all, err := load("../..", nil)
	if err != nil {
		t.Fatal(err)
	}
	combined, alone, err := combine("../..", all)
	if err != nil {
		t.Fatal(err)
	}
	if len(combined.members)+len(alone) != len(all) || len(combined.members) < 80*len(alone) {
		t.Errorf("%d are built alone, %d together", len(alone), len(combined.members))
	}
}
