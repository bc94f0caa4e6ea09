package mimeconv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime/v2"
)

// TestOutline checks that enmime finds the same parts in a whole body as in its skeleton, if no
// text quotes a delimiter.
func TestOutline(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	var all [][]byte
	for _, file := range files {
		misread := []string{"delimiter", "header-blank", "encoded-multipart-inside"} // by enmime alone
		if slices.ContainsFunc(misread, func(name string) bool { return strings.Contains(file, name) }) {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	for seed := range uint64(500) {
		s := soup{Rand: rand.New(rand.NewPCG(seed, 4))}
		all = append(all, []byte("MIME-Version: 1.0\r\n"+s.part(0)))
	}
	compared := 0
	long := "\r\n\r\n" + strings.Repeat("A line of words.\r\n", 20)
	for _, raw := range all {
		for _, raw := range []string{string(raw), strings.ReplaceAll(string(raw), "\r\n\r\n", long)} {
			b, body, err := readBlock([]byte(raw), new(guesses))
			if err != nil || !strings.HasPrefix(b.get("content-type"), "multipart/") {
				continue
			}
			o, err := newOutline(new(fence), body, b.boundary())
			if err != nil || o == nil || o.textInHeaders || o.isDamaged() {
				continue // enmime alone reads it otherwise, or not at all
			}
			compared++
			checkTree(t, o, raw)
			if got, whole := partsOf(&b, body), partsByEnmime(t, &b, body); got != whole {
				t.Errorf("parts of the skeleton:\n%s\nof the body:\n%s\n%s", got, whole, raw)
			}
		}
	}
	if compared < 300 {
		t.Errorf("only %d messages compared", compared)
	}
}

// checkTree checks that the tree of an outline that isPlain is the one that enmime builds.
func checkTree(t *testing.T, o *outline, raw string) {
	t.Helper()
	if !o.isPlain() {
		return
	}
	byEnmime, err := o.enmimeTree()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := o.plainTree().String(), byEnmime.String(); got != want {
		t.Errorf("tree: %s\nby enmime: %s\n%s", got, want, raw)
	}
}

// String lists the nodes of a tree with the contents of their leaves.
func (n *node) String() string {
	list := fmt.Sprintf("(%s %q", n.id, n.part.content)
	for _, child := range n.children {
		list += child.String()
	}
	return list + ")"
}

func (o *outline) isDamaged() bool {
	for _, p := range o.parts {
		if p.damage != "" {
			return true
		}
	}
	return false
}

// partsOf lists the parts of a body with their content.
func partsOf(b *block, body []byte) string {
	c := new(converter)
	root, err := c.tree(b, body, "")
	if err != nil {
		return err.Error()
	}
	var list strings.Builder
	var walk func(p *part)
	walk = func(p *part) {
		for _, child := range p.children {
			fmt.Fprintf(&list, "%s %s %q\n", child.id, child.kind, child.raw)
			walk(child)
		}
	}
	walk(root)
	return list.String()
}

// partsByEnmime lists the parts that enmime alone finds.
func partsByEnmime(t *testing.T, b *block, body []byte) string {
	t.Helper()
	media := func(value string) (string, map[string]string, []string, error) {
		kind, params := parseMedia(value)
		if boundary := []byte("--" + params["boundary"]); !isMultipart(kind) || !bytes.Contains(body, boundary) {
			delete(params, "boundary")
		}
		return kind, params, nil, nil
	}
	parser := enmime.NewParser(enmime.RawContent(true), enmime.SetCustomParseMediaType(media))
	whole := slices.Concat([]byte("Content-Type: "+b.get("content-type")+"\r\n\r\n"), body)
	root, err := parser.ReadParts(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	var walk func(parent *enmime.Part, kind string)
	walk = func(parent *enmime.Part, kind string) {
		if kind == "multipart/digest" {
			kind = "message/rfc822"
		} else {
			kind = "text/plain"
		}
		for e := parent.FirstChild; e != nil; e = e.NextSibling {
			header := &block{guesses: new(guesses)}
			for name, values := range e.Header {
				header.fields = append(header.fields, field{name: strings.ToLower(name), value: values[0]})
			}
			p := newPart(e.PartID, header, kind)
			fmt.Fprintf(&list, "%s %s %q\n", p.id, p.kind, e.Content)
			walk(e, p.kind)
		}
	}
	kind, _ := parseMedia(b.get("content-type"))
	walk(root, kind)
	return list.String()
}
