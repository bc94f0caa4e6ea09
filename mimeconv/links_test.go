package mimeconv

import (
	"math/rand/v2"
	"strings"
	"testing"

	"mvdan.cc/xurls/v2"
)

// TestLinks checks that URLs are found in random words as by the patterns of xurls, which take a
// hundred times as long.
func TestLinks(t *testing.T) {
	pattern, err := xurls.StrictMatchingScheme(`https?://|ftp://|mailto:|www\.`)
	if err != nil {
		t.Fatal(err)
	}
	pieces := strings.Split("http:// HTTPS:// ftp:// mailto: www. www h :// x.example a B 7 "+
		"- . _ ~ ! $ & ' * + , ; = : @ / ? # % \\ ( ) [ ] { } "+
		"| ^ ä 日 。 ’ ¿ « » … 👍 \u0301 \u200b", " ")
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 4))
		var b strings.Builder
		for range 1 + r.IntN(20) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		token := b.String()
		var ours []string
		for pos := 0; pos < len(token); {
			end := urlAt(token, pos)
			if end == 0 {
				pos++
				continue
			}
			ours = append(ours, token[pos:end])
			pos = end
		}
		theirs := pattern.FindAllString(token, -1)
		if got, want := strings.Join(ours, " "), strings.Join(theirs, " "); got != want {
			t.Fatalf("seed %d: in %q, %q are URLs, and %q for xurls", seed, token, ours, theirs)
		}
	}
}
