package mimeconv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"heyrelay/mimeconv/internal/fuzztest"
)

// bundle is a message of nested multiparts and the contents of its leaves, in order.
type bundle struct {
	*rand.Rand
	boundaries []string
	leaves     []string // contents by number
	bare       bool     // leaves have no type, so that they are text
}

// tricky are boundaries that contain or resemble one another.
var tricky = []string{"b", "b1", "b-1", "-b", "b--b", "=_Part", "=_Part_7", "Part--More", "a b", "--", "(x)", "1", "b:"}

// part adds a part with its header.
func (b *bundle) part(depth int) string {
	if depth < 4 && len(b.boundaries) < 8 && (depth == 0 || b.IntN(3) == 0) {
		return b.multipart(depth)
	}
	headers := []string{"", "Content-Type: text/plain; charset=utf-8\r\n"}
	if !b.bare {
		headers = append(headers, "Content-Type: application/octet-stream; name=a\r\n", "X-Log: --b\r\n \t--b1--\r\n",
			"Content-Type: message/delivery-status\r\nContent-Description: --b\r\n")
	}
	b.leaves = append(b.leaves, fmt.Sprintf("word%d", len(b.leaves)))
	return headers[b.IntN(len(headers))] + "\r\n" + leafMark(len(b.leaves)-1)
}

// leafMark stands for the content of a leaf until it is final.
func leafMark(number int) string { return fmt.Sprintf("\x00%d\x00", number) }

func (b *bundle) multipart(depth int) string {
	boundary := tricky[b.IntN(len(tricky))]
	for slices.Contains(b.boundaries, boundary) {
		boundary += "x"
	}
	b.boundaries = append(b.boundaries, boundary)
	var raw strings.Builder
	fmt.Fprintf(&raw, "Content-Type: multipart/mixed;\r\n boundary=\"%s\"\r\n\r\n%s", boundary,
		[]string{"", "This is a multi-part message.\r\n", "> --" + boundary + "\r\n"}[b.IntN(3)])
	for range 1 + b.IntN(3) {
		space := []string{"", "", " ", "\t "}[b.IntN(4)]
		raw.WriteString("--" + boundary + space + "\r\n" + b.part(depth+1) + "\r\n")
	}
	raw.WriteString("--" + boundary + "--\r\n")
	return raw.String()
}

// raw is the message.
func (b *bundle) raw(structure string) []byte {
	for i, content := range b.leaves {
		structure = strings.Replace(structure, leafMark(i), content, 1)
	}
	return []byte("MIME-Version: 1.0\r\n" + structure)
}

// newBundle makes a message.
func newBundle(seed uint64, bare bool) (b *bundle, structure string) {
	b = &bundle{Rand: rand.New(rand.NewPCG(seed, 5)), bare: bare}
	return b, b.part(0)
}

// delimits reports whether a line of text is a delimiter of the message.
func (b *bundle) delimits(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		for _, boundary := range b.boundaries {
			if line == "--"+boundary || line == "--"+boundary+"--" {
				return true
			}
		}
	}
	return false
}

// check compares the leaves that are found in raw with their contents.
func (b *bundle) check(t *testing.T, raw []byte) {
	t.Helper()
	head, body, err := readBlock(raw, new(guesses))
	if err != nil {
		t.Fatal(err)
	}
	o, err := newOutline(new(fence), body, head.boundary())
	if err != nil {
		t.Fatal(err)
	}
	checkTree(t, o, string(raw))
	root, err := new(converter).tree(&head, body, "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(p *part)
	walk = func(p *part) {
		if len(p.children) == 0 {
			got = append(got, string(p.raw))
		}
		for _, child := range p.children {
			walk(child)
		}
	}
	walk(root)
	if !slices.Equal(got, b.leaves) {
		t.Fatalf("leaves: %q\nwant %q\n%s", got, b.leaves, raw)
	}
}

// FuzzLeafText puts any text into a leaf of a message and checks that it comes out, whatever
// boundary it quotes, and that the other leaves do not change.
func FuzzLeafText(f *testing.F) {
	fuzztest.AddKept(f)
	texts := []string{
		"",
		"> --b",
		"x --b\r\ny",
		"--b--More",
		"--b1--x\r\n--b2",
		" --b\r\n--Part--More",
		"\r\n",
		"a:\r\n\r\nb",
		"--",
	}
	for i, s := range texts {
		f.Add(uint64(i), uint(i), s)
	}
	f.Fuzz(func(t *testing.T, seed uint64, leaf uint, text string) {
		b, structure := newBundle(seed, false)
		if b.delimits(text) || strings.Contains(text, "\x00") {
			return
		}
		b.leaves[leaf%uint(len(b.leaves))] = text
		fuzztest.Bounded(t, len(text)+len(structure), func() { b.check(t, b.raw(structure)) })
	})
}

// FuzzLeafLine inserts a line that is not a delimiter into a leaf and checks that only that leaf
// changes.
func FuzzLeafLine(f *testing.F) {
	fuzztest.AddKept(f)
	lines := []string{"", "> --b", "x --b", "--b--More", "\t--b", "--b1--x", "Content-Type: text/html", "--b b"}
	for i, s := range lines {
		f.Add(uint64(i), uint(i), uint(i), s)
	}
	f.Fuzz(func(t *testing.T, seed uint64, leaf, at uint, line string) {
		b, structure := newBundle(seed, false)
		line = strings.NewReplacer("\n", "", "\x00", "").Replace(line)
		if b.delimits(line) {
			return
		}
		n := leaf % uint(len(b.leaves))
		lines := []string{"one", "two", "", "three"}
		b.leaves[n] = strings.Join(lines, "\r\n")
		b.check(t, b.raw(structure))
		b.leaves[n] = strings.Join(slices.Insert(lines, int(at%5), line), "\r\n")
		b.check(t, b.raw(structure))
	})
}

// TestLeafText runs the properties of FuzzLeafText and FuzzLeafLine on text that quotes the
// boundaries of its message, and checks that all words reach both bodies.
func TestLeafText(t *testing.T) {
	for seed := range uint64(3000) {
		b, structure := newBundle(seed, true)
		for i := range b.leaves {
			b.leaves[i] = b.quoting(i)
		}
		raw := b.raw(structure)
		b.check(t, raw)
		m, err := Convert(raw, Options{})
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, raw)
		}
		for i := range b.leaves {
			for line := range b.lines(i) {
				word := fmt.Sprintf("w%d.%dw", i, line)
				if !strings.Contains(m.HTML, word) || !strings.Contains(m.Text, word) {
					t.Fatalf("seed %d: %s is missing in %q, %q\n%s", seed, word, m.HTML, m.Text, raw)
				}
			}
		}
	}
}

// lines is how many lines of words the leaf of that number has.
func (b *bundle) lines(leaf int) int { return 1 + leaf%4 }

// quoting is the text of a leaf: numbered words and quoted delimiters.
func (b *bundle) quoting(leaf int) string {
	var lines []string
	for line := range b.lines(leaf) {
		word := fmt.Sprintf("w%d.%dw", leaf, line)
		quoted := "--" + b.boundaries[b.IntN(len(b.boundaries))] + []string{"", "--"}[b.IntN(2)]
		text := []string{
			"> " + quoted + "\r\n" + word,
			"log: " + quoted + " ended " + word,
			word + " " + quoted,
			quoted + "More " + word,
			quoted + " " + word,
			" " + quoted + "\r\n" + word,
			"--" + quoted + "\r\n" + word,
		}[b.IntN(7)]
		if b.delimits(text) {
			text = word
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\r\n")
}
