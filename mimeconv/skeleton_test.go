package mimeconv

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSkeleton: enmime finds the same parts in the skeleton of a body as in the
// body itself.
func TestSkeleton(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	var all [][]byte
	for _, file := range files {
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
	long := "\r\n\r\n" + strings.Repeat("A line of words.\r\n", 20)
	for _, raw := range all {
		for _, raw := range []string{string(raw), strings.ReplaceAll(string(raw), "\r\n\r\n", long)} {
			b, body, err := readBlock([]byte(raw))
			if err != nil || !strings.HasPrefix(b.get("content-type"), "multipart/") {
				continue
			}
			whole := partsOf(&b, body, &skeleton{body: body})
			if got := partsOf(&b, body, newSkeleton(body)); got != whole {
				t.Fatalf("parts of the skeleton:\n%s\nof the body:\n%s\n%s", got, whole, raw)
			}
		}
	}
}

// partsOf lists the parts that enmime finds, with their content.
func partsOf(b *block, body []byte, bones *skeleton) string {
	c := new(converter)
	parsed, err := readParts(&watch{fence: &c.fence, body: body}, b.get("content-type"), bones.body)
	if err != nil {
		return err.Error()
	}
	root := new(part)
	c.adopt(root, parsed, "", bones)
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

// TestSkeletonMark: a body that has the mark itself is read as it is.
func TestSkeletonMark(t *testing.T) {
	text := strings.Repeat("words ", 100)
	m, err := Convert([]byte(multipart("mixed", "--b\r\n\r\n\x00run 0\x00"+text+"\r\n--b\r\n\r\n"+text+"\r\n")), Options{})
	if err != nil || strings.Count(m.Text, "words") != 200 || !strings.Contains(m.Text, "run 0") {
		t.Errorf("%v, %q", err, m.Text)
	}
}
