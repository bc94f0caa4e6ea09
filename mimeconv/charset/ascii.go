package charset

import (
	"strings"
	"unicode/utf8"
)

// IsASCII reports whether s contains only ASCII characters.
func IsASCII[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// IndexFold is like strings.Index but ignores the case of ASCII letters. sub is ASCII in
// lower case and contains a character that is not a letter, which speeds up the search.
func IndexFold(s, sub string) int {
	anchor := strings.IndexFunc(sub, func(r rune) bool { return r < 'a' || r > 'z' })
	for pos := anchor; pos < len(s); pos++ {
		i := strings.IndexByte(s[pos:], sub[anchor])
		if i < 0 {
			return -1
		}
		pos += i
		start := pos - anchor
		if len(s)-start >= len(sub) && strings.EqualFold(s[start:start+len(sub)], sub) {
			return start
		}
	}
	return -1
}
