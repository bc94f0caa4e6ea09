package threading

import (
	"regexp"
	"strings"
)

// leader is one prefix that says how a subject came about, not what it is
// about: a reply or forward mark in the words of the common mail programs, or a
// tag in brackets (RFC 5256, section 2.1).
var leader = regexp.MustCompile(`^(?i:(?:re|fwd?|aw|wg|sv|vs|antw|r|rif|i|tr|enc|rv)\s*(?:\[\d+\]|\(\d+\))?\s*:|\[[^\[\]]*\])\s*`)

// trailer is what a forwarding program may append.
var trailer = regexp.MustCompile(`(?i)\s*\(fwd\)$`)

// BaseSubject is a subject without reply and forward marks and without tags in
// brackets, in lower case and with single spaces: two subjects with equal bases
// are about the same. A subject that consists of tags alone keeps the last.
func BaseSubject(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	s = trailer.ReplaceAllString(s, "")
	for {
		rest := leader.ReplaceAllString(s, "")
		if rest == s || rest == "" {
			return s
		}
		s = rest
	}
}
