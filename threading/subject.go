package threading

import (
	"regexp"
	"strings"
)

// leader matches one prefix that does not belong to the topic of a subject: a reply or
// forward prefix of a common mail program, or a tag in brackets (RFC 5256, section 2.1).
var leader = regexp.MustCompile(`^(?i:(?:re|fwd?|aw|wg|sv|vs|antw|r|rif|i|tr|enc|rv)` +
	`\s*(?:\[\d+\]|\(\d+\))?\s*:|\[[^\[\]]*\])\s*`)

// trailer is the suffix that some programs append to forwarded messages.
const trailer = "(fwd)"

// maxSubject bounds the part of a subject that is compared, in bytes. A title has at most
// 255 characters.
const maxSubject = 1024

// BaseSubject returns s without reply and forward prefixes and without tags in
// brackets, in lower case and with single spaces. Two subjects with the same base
// subject have the same topic. A subject that consists only of tags keeps the last one.
// Of a longer subject the first 1,024 bytes count.
func BaseSubject(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxSubject)], "")
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	s = strings.TrimRight(strings.TrimSuffix(s, trailer), " ")
	for strings.ContainsAny(s, ":[") { // most have neither, and leader is slow
		prefix := leader.FindStringIndex(s)
		if prefix == nil || prefix[1] == len(s) {
			return s
		}
		s = s[prefix[1]:]
	}
	return s
}
