// Package fuzztest is what the fuzz targets of mimeconv and its leaves share: inputs
// that fuzzing has kept, and a bound on what any input may cost.
package fuzztest

import (
	"compress/gzip"
	"io"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"
)

// AddKept adds the inputs that fuzzing once kept because each led to code that none
// before it had led to. They stand in testdata/fuzz as the fuzzer wrote them, one
// behind the other:
//
//	cat $(go env GOCACHE)/fuzz/PACKAGE/FuzzX/* | gzip -n9 > testdata/fuzz/FuzzX.gz
func AddKept(f *testing.F) {
	f.Helper()
	file, err := os.Open("testdata/fuzz/" + f.Name() + ".gz")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		f.Fatal(err)
	}
	all, err := io.ReadAll(z)
	if err != nil {
		f.Fatal(err)
	}
	for _, input := range strings.Split(string(all), "go test fuzz v1\n")[1:] {
		var args []any
		for line := range strings.Lines(input) {
			args = append(args, keptArg(f, strings.TrimSuffix(line, "\n")))
		}
		f.Add(args...)
	}
}

// keptArg reads one argument, such as string("a\n").
func keptArg(f *testing.F, line string) any {
	f.Helper()
	kind, value, _ := strings.Cut(strings.TrimSuffix(line, ")"), "(")
	if kind == "bool" {
		return value == "true"
	}
	text, err := strconv.Unquote(value)
	if err != nil {
		f.Fatalf("%s: %v", line, err)
	}
	if kind == "[]byte" {
		return []byte(text)
	}
	return text
}

// The bounds of Bounded, in octets allocated: so many to begin with, which is what
// charset detection needs, and so many for each octet of input. An octet that is a
// tag, a word or an address of its own costs the most.
const (
	memory   = 1 << 20
	memoryOf = 500
)

// maxTime is room for -race and for machines that are busy with something else.
const maxTime = 20 * time.Second

// Bounded runs f, which is given n octets, and holds that what it costs does not
// grow faster than n. Time is no measure on a machine that others use too: only
// what would never end is seen by it.
func Bounded(t *testing.T, n int, f func()) {
	t.Helper()
	allocs := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocs)
	before, began := allocs[0].Value.Uint64(), time.Now()
	f()
	took := time.Since(began)
	metrics.Read(allocs)
	if got := allocs[0].Value.Uint64() - before; got > memory+memoryOf*uint64(n) {
		t.Errorf("%d octets allocated %d KiB", n, got>>10)
	}
	if took > maxTime {
		t.Errorf("%d octets took %v", n, took)
	}
}
