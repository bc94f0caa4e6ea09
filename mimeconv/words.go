package mimeconv

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"heyrelay/mimeconv/charset"
)

// maxTitle bounds a title, in runes. Many mail programs and ticket systems cut
// a Subject at 255; RFC 5322 says nothing but 998 octets to a line.
const maxTitle = 255

// noSubject is the title of a message that has none.
const noSubject = "(no subject)"

// title makes a conversation's title of a decoded Subject, and reports whether
// it had to be cut: between graphemes, so that no letter loses its accent.
func title(subject string) (_ string, cut bool) {
	if subject == "" {
		return noSubject, false
	}
	return cutText(subject, maxTitle)
}

// cutText cuts s to at most limit runes, with an ellipsis as the last.
func cutText(s string, limit int) (_ string, cut bool) {
	if utf8.RuneCountInString(s) <= limit {
		return s, false
	}
	end, runes := 0, 0
	for g := graphemes.FromString(s); g.Next(); {
		if runes += utf8.RuneCountInString(g.Value()); runes >= limit {
			break
		}
		end += len(g.Value())
	}
	return strings.TrimRight(s[:end], " ") + "…", true
}

// oneLine makes white space of any kind a single space and drops what cannot be
// seen in a header: control characters.
func oneLine(s string) string {
	if isOneLine(s) {
		return s
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		switch {
		case strings.ContainsRune(" \t\n\v\f\r\u0085\u2028\u2029", r):
			space = true
		case unicode.IsControl(r):
		default:
			if space && b.Len() > 0 {
				b.WriteByte(' ')
			}
			space = false
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isOneLine reports whether s is one line of ASCII with single spaces in it.
func isOneLine(s string) bool {
	last := byte(' ')
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f || s[i] == ' ' && last == ' ' {
			return false
		}
		last = s[i]
	}
	return s == "" || last != ' '
}

// decodeWords decodes the encoded words of RFC 2047 in s, wherever they stand:
// programs put them into quoted strings and message ids too. Text outside them
// is converted from the charset hint where it is not valid UTF-8. What is nothing
// but encoded words once more was encoded twice.
func decodeWords(s, hint string) string {
	if !strings.Contains(s, "=?") {
		return decodeRaw(s, hint)
	}
	text := decodeWordsOnce(s, hint)
	if text != s && isAllWords(text) {
		return decodeWordsOnce(text, hint)
	}
	return text
}

// isAllWords reports whether s has encoded words and nothing else.
func isAllWords(s string) bool {
	for rest := range strings.FieldsSeq(s) {
		if !strings.HasPrefix(rest, "=?") {
			return false
		}
		if w, ok := cutWord(rest); !ok || w.length != len(rest) {
			return false
		}
	}
	return s != ""
}

func decodeWordsOnce(s, hint string) string {
	var b strings.Builder
	var data []byte // of the words just before pos that share a charset
	var label string
	flush := func() {
		text, _, _ := charset.Decode(data, label, false)
		b.WriteString(text)
		data = nil
	}
	pos, last := 0, strings.LastIndex(s, "?=")
	for pos < last {
		i := strings.Index(s[pos:], "=?")
		if i < 0 {
			break
		}
		between, start := s[pos:pos+i], pos+i
		w, ok := cutWord(s[start:])
		if !ok {
			flush()
			b.WriteString(decodeRaw(s[pos:start+2], hint))
			pos = start + 2
			continue
		}
		// RFC 2047, section 6.2: white space between words is no text. A
		// character split between two words of one charset is put together.
		joined := len(data) > 0 && strings.Trim(between, " \t\r\n") == ""
		if !joined || !strings.EqualFold(label, w.charset) {
			flush()
		}
		if !joined {
			b.WriteString(decodeRaw(between, hint))
		}
		label = w.charset
		data = append(data, w.data...)
		pos = start + w.length
	}
	flush()
	b.WriteString(decodeRaw(s[pos:], hint))
	return b.String()
}

// decodeRaw reads header text that is in no word. Where it is not ASCII it is
// mostly UTF-8 (RFC 6532), else what its program uses for bodies.
func decodeRaw(s, hint string) string {
	if charset.IsASCII(s) {
		return s
	}
	text, _, _ := charset.Decode([]byte(s), hint, false)
	return text
}

// word is one encoded word.
type word struct {
	charset string
	data    []byte // decoded, still in charset
	length  int    // of the word as written
}

// maxCharsetName bounds the name of a charset, in octets: IANA's longest has 45.
const maxCharsetName = 64

// cutWord reads the encoded word at the beginning of s, which begins with "=?".
func cutWord(s string) (word, bool) {
	label, _, ok := strings.Cut(s[2:min(len(s), maxCharsetName)], "?")
	if !ok || label == "" || strings.ContainsAny(label, " \t\"<>") {
		return word{}, false
	}
	rest := s[2+len(label)+1:]
	if len(rest) < 2 || rest[1] != '?' {
		return word{}, false
	}
	text, _, ok := strings.Cut(rest[2:], "?=")
	if !ok {
		return word{}, false
	}
	w := word{length: len(s) - len(rest) + 2 + len(text) + 2}
	w.charset, _, _ = strings.Cut(label, "*") // RFC 2231, section 5: a language
	switch rest[0] {
	case 'q', 'Q':
		w.data, _ = decodeQuotedPrintable([]byte(strings.ReplaceAll(text, "_", " ")), false)
	case 'b', 'B':
		w.data, _ = decodeBase64([]byte(text))
	default:
		return word{}, false
	}
	return w, true
}
