package mimeconv

import (
	"compress/gzip"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// addKept adds the inputs that fuzzing once kept because each led to code that none
// before it had led to. They stand in testdata/fuzz as the fuzzer wrote them, one
// behind the other:
//
//	cat $(go env GOCACHE)/fuzz/heyrelay/mimeconv/FuzzX/* | gzip -n9 > testdata/fuzz/FuzzX.gz
func addKept(f *testing.F) {
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
