package tnef

import (
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"heyrelay/mimeconv/internal/fuzztest"
)

// FuzzRead checks that the files of any winmail.dat are together no larger than itself,
// and that reading is deterministic.
func FuzzRead(f *testing.F) {
	addWinmails(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Message
		fuzztest.Bounded(t, len(data), func() { m = Read(data) })
		size := 0
		for _, file := range m.Files {
			size += len(file.Data)
		}
		if size > len(data) {
			t.Errorf("%d octets in files out of %d", size, len(data))
		}
		if !reflect.DeepEqual(m, Read(data)) {
			t.Errorf("second reading of %q differs from %+v", data, m)
		}
	})
}

// addWinmails adds the winmail.dat of each golden case of mimeconv.
func addWinmails(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("../testdata/*tnef*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no testdata", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		encoded := raw[max(bytes.Index(raw, []byte("eJ8+I")), 0):] // the signature in base64
		data, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(encoded)))
		f.Add(data)
	}
}

// FuzzRTF checks that any RTF gives valid UTF-8 of bounded size.
func FuzzRTF(f *testing.F) {
	fuzztest.AddKept(f)
	f.Add([]byte(`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\pard Gr\'fc\u223?e\par{\b x}}`))
	f.Add([]byte(`{\rtf1\fromhtml1{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 a{\*\htmltag84 &amp;}\htmlrtf &\htmlrtf0}}`))
	f.Add([]byte("0000\x05\x00\x00\x00LZFu0000\x02a\x00\x15b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var kind string
		var text, out []byte
		fuzztest.Bounded(t, len(b), func() { kind, text = readRTF(b) })
		if !utf8.Valid(text) {
			t.Errorf("readRTF(%q) = %q", b, text)
		}
		if kindAgain, again := readRTF(b); kindAgain != kind || !slices.Equal(again, text) {
			t.Errorf("readRTF(%q) = %q, then %q", b, text, again)
		}
		fuzztest.Bounded(t, len(b), func() { out = expandRTF(b) })
		if len(out) > 9*len(b)+20 {
			t.Errorf("%d octets of %d", len(out), len(b))
		}
	})
}
