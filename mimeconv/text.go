package mimeconv

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// cleanText returns text with "\n" for its line ends, and without control characters, which cannot be
// shown and which some databases reject. dropped is the number removed.
func cleanText(text []byte) (_ string, dropped int) {
	i := indexUnclean(text)
	if i < 0 {
		return string(text), 0
	}
	var b strings.Builder
	b.Grow(len(text))
	for ; i >= 0; i = indexUnclean(text) {
		b.Write(text[:i])
		rest := text[i+1:]
		n := 1
		switch c := text[i]; {
		case c == '\r' && (bytes.HasPrefix(rest, []byte("\n")) || bytes.HasPrefix(rest, []byte("\r\n"))):
		case c == '\r' || c == '\f' || c == '\v':
			b.WriteByte('\n')
		case c == 0x1b && bytes.HasPrefix(rest, []byte("[")):
			n = controlSequence(text[i:])
			dropped++
		default:
			dropped++
		}
		text = text[i+n:]
	}
	b.Write(text)
	return b.String(), dropped
}

// indexUnclean returns the index of the first control character for cleanText.
func indexUnclean(text []byte) int {
	for i := 0; i < len(text); i++ {
		for len(text)-i >= 8 && isPlainWord(binary.LittleEndian.Uint64(text[i:])) {
			i += 8
		}
		if i < len(text) && uncleanOctets[text[i]] {
			return i
		}
	}
	return -1
}

// isPlainWord reports whether eight octets contain no control character, "\t" and "\n" included. It
// is several times faster than to look at each octet.
func isPlainWord(octets uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	deletes := octets ^ 0x7f*ones // 0 for each
	return ((octets-' '*ones)&^octets|(deletes-ones)&^deletes)&tops == 0
}

// uncleanOctets are those for which isUnclean: one load for an octet is faster.
var uncleanOctets = func() (unclean [256]bool) {
	for c := range unclean {
		unclean[c] = isUnclean(rune(c))
	}
	return unclean
}()

// controlSequence returns the length of the terminal control sequence (ECMA-48, section 5.4:
// mostly colors) at the start of s, which starts with ESC [.
func controlSequence(s []byte) int {
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case '@' <= c && c <= '~':
			return i + 1
		case c < ' ' || c > '?':
			return 1
		}
	}
	return 1
}

// isUnclean reports whether r is a control character other than "\t" and "\n".
func isUnclean(r rune) bool { return r < ' ' && r != '\t' && r != '\n' || r == 0x7f }

// hasPrefixFold is like strings.HasPrefix but ignores case. prefix is in lower case.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// quote quotes text from a message for warnings.
func quote(s string) string { return strconv.Quote(shorten(s)) }

// shorten makes one short line of text from a message, for warnings.
func shorten(s string) string {
	s, _ = cutText(oneLine(strings.ToValidUTF8(s, "\ufffd")), 100)
	return s
}

// size formats a number of octets.
func size(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 1000:
		return strconv.FormatInt(n, 10) + " bytes"
	case n < 1000_000:
		return strconv.FormatFloat(float64(n)/1000, 'f', 0, 64) + " KB"
	}
	return strconv.FormatFloat(float64(n)/1000_000, 'f', 1, 64) + " MB"
}

// trimBlankLines removes leading blank lines and trailing white space.
func trimBlankLines(s string) string {
	s = strings.TrimRight(s, " \t\n\u00a0")
	for {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok || strings.Trim(line, " \t") != "" {
			return s
		}
		s = rest
	}
}
