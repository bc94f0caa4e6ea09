package mimeconv

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// joinSurrogates replaces character references that are the two halves of one character, such as
// &#55357;&#56832; for U+1F600. Programs that take UTF-16 for Unicode write them, and browsers
// show none of them.
func joinSurrogates(doc string) string {
	var b strings.Builder
	done := 0
	for pos := 0; ; {
		i := strings.Index(doc[pos:], "&#")
		if i < 0 {
			break
		}
		start := pos + i
		pos = start + 2
		high, n := surrogateReference(doc[start:])
		if n == 0 {
			continue
		}
		low, m := surrogateReference(doc[start+n:])
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			b.WriteString(doc[done:start])
			b.WriteRune(r)
			pos = start + n + m
			done = pos
		}
	}
	if done == 0 {
		return doc
	}
	return b.String() + doc[done:]
}

// surrogateReference returns the surrogate to which the character reference at the start of s
// refers, and its length, which is 0 if there is none.
func surrogateReference(s string) (r rune, length int) {
	const longest = len("&#x0000d83d;")
	ref, _, ok := strings.Cut(s[:min(len(s), longest)], ";")
	digits, isReference := strings.CutPrefix(ref, "&#")
	if !ok || !isReference || len(digits) < 4 {
		return 0, 0
	}
	base := 10
	if digits[0]|0x20 == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || !utf16.IsSurrogate(rune(n)) {
		return 0, 0
	}
	return rune(n), len(ref) + 1
}
