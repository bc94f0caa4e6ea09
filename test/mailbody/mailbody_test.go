package mailbody

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"
)

// Bodies are of their sizes, and as hard to compress as mail: one that is easier would flatter whatever packs it.
func TestAsHardAsMail(t *testing.T) {
	for _, c := range []struct {
		name        string
		body        string
		size        int
		least, most float64 // how many times flate makes it smaller
	}{
		{"Small", Small(), 74, 0.5, 1.5},
		{"Plain", Plain(), 4 << 10, 1.7, 2.3},
		{"Alternative", Alternative(), 31 << 10, 4, 6},
		{"Attachment", Attachment(), 1_440_000, 1.2, 1.4},
	} {
		if n := len(c.body); n < c.size*97/100 || n > c.size*103/100 {
			t.Errorf("%s has %d octets, want about %d", c.name, n, c.size)
		}
		if times := packs(t, c.body); times < c.least || times > c.most {
			t.Errorf("%s is packed %.2f times, want %v to %v", c.name, times, c.least, c.most)
		}
		for line := range strings.SplitAfterSeq(c.body, "\n") {
			if strings.HasPrefix(line, ".") || line != "" && !strings.HasSuffix(line, "\r\n") || len(line) > 998 {
				t.Errorf("%s has the line %q", c.name, line)
			}
		}
	}
}

// packs returns how many times flate makes a body smaller.
func packs(t *testing.T, body string) float64 {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(body)) // a buffer takes everything
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return float64(len(body)) / float64(packed.Len())
}
