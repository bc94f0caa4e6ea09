package mimeconv

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// soup generates messages of parts in random order.
type soup struct {
	*rand.Rand
	words      []string
	boundaries int
}

// TestPartSoup converts messages of nested parts in any encoding, and checks that every word of
// every text part is in both bodies.
func TestPartSoup(t *testing.T) {
	for seed := range uint64(3000) {
		s := soup{Rand: rand.New(rand.NewPCG(seed, 2))}
		raw := "Subject: soup\r\nMIME-Version: 1.0\r\n" + s.part(0)
		m, err := Convert([]byte(raw), Options{})
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, raw)
		}
		for _, word := range s.words {
			if !strings.Contains(m.HTML, word) || !strings.Contains(m.Text, word) {
				t.Fatalf("seed %d: %s is not in %q, %q\n%s", seed, word, m.HTML, m.Text, raw)
			}
		}
	}
}

// part is a part with its header.
func (s *soup) part(depth int) string {
	kind := s.IntN(6)
	switch {
	case depth < 4 && kind == 0 && s.boundaries < 8:
		parts := []string{}
		for range 1 + s.IntN(3) {
			parts = append(parts, s.part(depth+1))
		}
		return s.multipart([]string{"mixed", "x-unknown", "signed", "report", "parallel"}[s.IntN(5)], parts)
	case depth < 4 && kind == 1 && s.boundaries < 8:
		word := s.word()
		return s.multipart("alternative", []string{s.leaf("text/plain", word), s.leaf("text/html", "<p>"+word+"</p>")})
	case depth < 4 && kind == 2:
		return "Content-Type: message/rfc822\r\n\r\nFrom: x@x.example\r\n" + s.part(depth+1)
	case kind == 3:
		return s.leaf("text/html", "<html><body><b>"+s.word()+"</b></body></html>")
	}
	return s.leaf("text/plain", s.word())
}

// word is a new word of a text; some of them are not ASCII.
func (s *soup) word() string {
	word := fmt.Sprintf("word%dä", len(s.words))
	s.words = append(s.words, word)
	return word
}

func (s *soup) multipart(kind string, parts []string) string {
	boundary := fmt.Sprintf("b%d", s.boundaries)
	s.boundaries++
	end := "\r\n--" + boundary + "--\r\n"
	if s.IntN(4) == 0 {
		end = "\r\n"
	}
	return "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\r\n\r\npreamble\r\n--" + boundary + "\r\n" +
		strings.Join(parts, "\r\n--"+boundary+"\r\n") + end
}

func (s *soup) leaf(kind, text string) string {
	charset := "utf-8"
	if s.IntN(2) == 0 {
		charset, text = "iso-8859-1", strings.ReplaceAll(text, "ä", "\xe4")
	}
	head := "Content-Type: " + kind + "; charset=" + charset + "\r\nContent-Transfer-Encoding: "
	switch s.IntN(3) {
	case 0:
		return head + "base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(text))
	case 1:
		return head + "quoted-printable\r\n\r\n" + quotedPrintable(text)
	}
	return head + "8bit\r\n\r\n" + text
}
