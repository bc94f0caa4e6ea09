// Package fuzztest is shared by the fuzz targets of mimeconv and the packages below it:
// saved inputs and a limit on the resources that an input may use.
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

// AddKept adds the saved inputs of earlier fuzzing, each of which increased coverage. The
// file testdata/fuzz/NAME.gz of the target contains them as the fuzzer wrote them, one
// after the other:
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
	inputs := strings.Split(string(all), "go test fuzz v1\n")[1:]
	if len(inputs) == 0 {
		f.Fatalf("%s has no inputs", file.Name())
	}
	for _, input := range inputs {
		var args []any
		for line := range strings.Lines(input) {
			args = append(args, keptArg(f, strings.TrimSuffix(line, "\n")))
		}
		f.Add(args...)
	}
}

// keptArg parses one argument, such as string("a\n").
func keptArg(f *testing.F, line string) any {
	f.Helper()
	kind, value, _ := strings.Cut(strings.TrimSuffix(line, ")"), "(")
	switch kind {
	case "bool":
		return value == "true"
	case "uint", "uint64":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			f.Fatalf("%s: %v", line, err)
		}
		if kind == "uint" {
			return uint(n)
		}
		return n
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

// The limits of Bounded, in octets allocated: a base, which is what charset detection
// needs, and an amount for each octet of input. An octet that is a tag, a word or an
// address of its own costs most.
const (
	memory   = 1 << 20
	memoryOf = 500
)

// maxTime allows for the race detector and for busy machines.
const maxTime = 20 * time.Second

// Bounded runs f, which processes n octets of input, and checks that its memory use grows
// at most linearly with n. What other goroutines allocate meanwhile counts, too: so f runs again
// if it seems to exceed the limit. The time limit only catches what would practically never end,
// since other programs may use the machine too.
func Bounded(t *testing.T, n int, f func()) {
	t.Helper()
	limit := memory + memoryOf*uint64(n)
	allocated, took := measure(f)
	for range 2 {
		if allocated > limit {
			again, _ := measure(f)
			allocated = min(allocated, again)
		}
	}
	if allocated > limit {
		t.Errorf("%d octets allocated %d KiB", n, allocated>>10)
	}
	if took > maxTime {
		t.Errorf("%d octets took %v", n, took)
	}
}

// measure runs f, and returns how many octets were allocated meanwhile, and how long it took.
func measure(f func()) (allocated uint64, took time.Duration) {
	allocs := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(allocs)
	before, began := allocs[0].Value.Uint64(), time.Now()
	f()
	took = time.Since(began)
	metrics.Read(allocs)
	return allocs[0].Value.Uint64() - before, took
}
