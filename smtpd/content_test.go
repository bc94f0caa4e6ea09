package smtpd

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

var wholeContent = regexp.MustCompile(`(?s)^(.*?\r\n)\.\r\n(.*)$`)

// contentOf is an independent implementation of what contentReader reads: content and what
// follows its end.
func contentOf(sent string) (content, rest string) {
	end := wholeContent.FindStringSubmatch("\r\n" + sent)
	return strings.ReplaceAll(end[1], "\r\n.", "\r\n")[2:], end[2]
}

// All sequences of up to seven CRs, LFs, dots and letters, however they are divided when they
// arrive and when they are read: the content ends where it should, and is what was sent.
func TestContent(t *testing.T) {
	all := []string{""}
	for from, n := 0, 0; n < 7; n++ {
		to := len(all)
		for _, s := range all[from:to] {
			all = append(all, s+"\r", s+"\n", s+".", s+"x")
		}
		from = to
	}
	for _, s := range all {
		sent := s + "\r\n.\r\nQUIT\r\n"
		want, rest := contentOf(sent)
		for _, arriving := range []int{1, 2, 3, len(sent)} {
			for _, reading := range []int{1, 2, len(sent)} {
				got, left := decodeAll(sent, arriving, reading)
				if got != want || left != rest {
					t.Fatalf("%q, %d arrive, %d are read: got %q, left %q, want %q, %q",
						sent, arriving, reading, got, left, want, rest)
				}
			}
		}
	}
}

// decodeAll decodes what was sent, of which so many octets arrive at a time and so many are
// read, in place if no fewer are read.
func decodeAll(sent string, arriving, reading int) (content, left string) {
	var r contentReader
	var unread, got []byte
	for !r.ended && sent != "" {
		n := min(arriving, len(sent))
		unread = append(unread, sent[:n]...)
		sent = sent[n:]
		for n > 0 && !r.ended {
			dst := unread
			if reading < len(dst) {
				dst = make([]byte, reading)
			}
			var used int
			n, used = r.decode(dst, unread)
			got = append(got, dst[:n]...)
			unread = bytes.Clone(unread[used:])
		}
	}
	return string(got), string(unread) + sent
}
