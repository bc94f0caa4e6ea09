package events

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// addressPattern finds mail addresses in a text, also those that are not valid.
var addressPattern = regexp.MustCompile(`("(?:[^"\\\r\n]|\\.)+"|[^\s<>()"',;:=]+)@(\[[^\]\s]*\]|[^\s<>()"',;:=@]+)`)

// Mask returns a text with only the first character and the domain of each mail address:
// a***@example.com.
func Mask(text string) string {
	if !strings.Contains(text, "@") { // most texts, and the pattern is slow
		return text
	}
	return addressPattern.ReplaceAllStringFunc(text, func(address string) string {
		m := addressPattern.FindStringSubmatch(address)
		_, n := utf8.DecodeRuneInString(m[1])
		return m[1][:n] + "***@" + m[2]
	})
}
