package mimeconv

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// No conversion sees what another decodes, nor what is left of a longer text that was decoded before.
func TestConversionsShareNothing(t *testing.T) {
	var conversions sync.WaitGroup
	for n := range 8 {
		conversions.Go(func() {
			for i := range 40 {
				line := fmt.Sprintf("Grüße %d %d\r\n", n, i)
				text := strings.Repeat(line, 1+(n*31+i*57)%200)
				doc := "<p>" + strings.ReplaceAll(text, "\r\n", "<br>\r\n")
				raw := multipart("alternative",
					"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"+quotedHead+quotedPrintable(text)+
						"\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n"+quotedHead+quotedPrintable(doc)+"\r\n")
				m, err := Convert([]byte(raw), Options{})
				wantText := strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
				wantHTML := strings.ReplaceAll(doc, "\r\n", "\n")
				if err != nil || m.Text != wantText || m.HTML != wantHTML {
					t.Errorf("conversion %d of %d is another: %v", i, n, err)
				}
			}
		})
	}
	conversions.Wait()
}

// A control character is found wherever it stands, among any others.
func TestControlCharactersAreFound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		text := make([]byte, random.IntN(40))
		for i := range text {
			text[i] = byte(' ' + random.IntN(256-' '))
			if random.IntN(12) == 0 {
				text[i] = byte(random.IntN(256))
			}
		}
		want := -1
		for i, c := range text {
			if isUnclean(rune(c)) {
				want = i
				break
			}
		}
		if got := indexUnclean(text); got != want {
			t.Fatalf("%q: %d, want %d", text, got, want)
		}
	}
}
