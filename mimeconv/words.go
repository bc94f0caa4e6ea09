package mimeconv

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"heyrelay/mimeconv/charset"
)

// maxTitle bounds a title, in runes. Many mail programs and ticket systems truncate a Subject
// to 255; RFC 5322 only limits a line to 998 octets.
const maxTitle = 255

// noSubject is the title of a message without a Subject.
const noSubject = "(no subject)"

// title returns the title for a decoded Subject and whether it was truncated.
func title(subject string) (_ string, cut bool) {
	if subject == "" {
		return noSubject, false
	}
	return cutText(subject, maxTitle)
}

// cutText truncates s to at most limit runes including an ellipsis. It cuts between grapheme
// clusters, so that no letter loses its accent.
func cutText(s string, limit int) (_ string, cut bool) {
	if utf8.RuneCountInString(s) <= limit {
		return s, false
	}
	end, runes := 0, 0
	for g := graphemes.FromString(s); g.Next(); {
		runes += utf8.RuneCountInString(g.Value())
		if runes >= limit {
			break
		}
		end += len(g.Value())
	}
	return strings.TrimRight(s[:end], " ") + "…", true
}

// oneLine replaces white space by single spaces and removes control characters.
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

// isOneLine reports whether s is one line of ASCII with single spaces only.
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

// decodeWords decodes the encoded words (RFC 2047) in s wherever they are: some programs use
// them in quoted strings and message ids. Text outside them that is not valid UTF-8 is
// decoded as charset hint. A result that consists of encoded words was encoded twice and is
// decoded again.
func decodeWords(g *guesses, s, hint string) string {
	if !strings.Contains(s, "=?") {
		return decodeRaw(g, s, hint)
	}
	text := decodeWordsOnce(g, s, hint)
	if text != s && isAllWords(text) {
		return decodeWordsOnce(g, text, hint)
	}
	return text
}

// isAllWords reports whether s consists of encoded words.
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

func decodeWordsOnce(g *guesses, s, hint string) string {
	var b strings.Builder
	var data []byte // of adjacent words before pos that share a charset
	var label string
	flush := func() {
		text, _, _ := g.decode(data, label, false)
		b.Write(text)
		data = nil
	}
	s, isCut := closeWord(s)
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
			b.WriteString(decodeRaw(g, s[pos:start+2], hint))
			pos = start + 2
			continue
		}
		// RFC 2047, section 6.2: white space between words is ignored. A character
		// may be split between two words of one charset.
		joined := len(data) > 0 && strings.Trim(between, " \t\r\n") == ""
		if !joined || !strings.EqualFold(label, w.charset) {
			flush()
		}
		if !joined {
			b.WriteString(decodeRaw(g, between, hint))
		}
		label = w.charset
		data = append(data, w.data...)
		pos = start + w.length
	}
	if isCut {
		data = trimPartial(data)
	}
	flush()
	b.WriteString(decodeRaw(g, s[pos:], hint))
	return b.String()
}

// closeWord ends an encoded word at the end of s that was cut there, as programs do that bound the
// length of a Subject after they have encoded it.
func closeWord(s string) (closed string, isCut bool) {
	i := strings.LastIndex(s, "=?")
	if i < 0 || strings.HasSuffix(s, "?=") || strings.ContainsAny(s[i:], " \t") {
		return s, false
	}
	if _, isWhole := cutWord(s[i:]); isWhole {
		return s, false
	}
	closed = s + "?="
	_, isCut = cutWord(closed[i:])
	if !isCut {
		return s, false
	}
	return closed, true
}

// trimPartial removes the octets of a UTF-8 character that is not complete from the end of b.
func trimPartial(b []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		last := b[len(b)-n:]
		if utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-n]
			}
			break
		}
	}
	return b
}

// decodeRaw decodes header text outside encoded words. If it is not ASCII, it is usually
// UTF-8 (RFC 6532), else the charset of the body.
func decodeRaw(g *guesses, s, hint string) string {
	if charset.IsASCII(s) {
		return s
	}
	text, _, _ := g.decode([]byte(s), hint, false)
	return string(text)
}

// word is an encoded word.
type word struct {
	charset string
	data    []byte // transfer-decoded, still in charset
	length  int    // of the encoded word
}

// maxCharsetName bounds the name of a charset, in octets. The longest IANA name has 45.
const maxCharsetName = 64

// cutWord parses the encoded word at the start of s, which starts with "=?".
func cutWord(s string) (word, bool) {
	label, _, ok := strings.Cut(s[2:min(len(s), maxCharsetName)], "?")
	if !ok || label == "" || strings.ContainsAny(label, " \t\"<>") {
		return word{}, false
	}
	rest := s[2+len(label)+1:]
	if len(rest) < 2 || rest[1] != '?' {
		return word{}, false
	}
	if !strings.ContainsRune("qQbB", rune(rest[0])) {
		return word{}, false // before the end is searched for
	}
	isQ := rest[0]|0x20 == 'q'
	end := wordEnd(rest[2:], isQ)
	if end < 0 {
		return word{}, false
	}
	text := rest[2 : 2+end]
	w := word{length: len(s) - len(rest) + 2 + len(text) + 2}
	w.charset, _, _ = strings.Cut(label, "*") // RFC 2231, section 5: a language
	switch raw := []byte(text); {
	case isQ:
		w.data, _ = decodeQuotedPrintable([]byte(strings.ReplaceAll(text, "_", " ")), printableWord)
	case !isDigits(bytes.TrimRight(raw, "=")) && isFalseBase64(raw, w.charset):
		w.data = raw
	default:
		w.data, _ = decodeBase64(raw)
	}
	return w, true
}

// wordEnd returns where the "?=" is that ends the text of an encoded word, -1 if there is none. Some
// programs do not encode question marks: one before an octet in quoted-printable belongs to the
// text, if another end follows without a space, and before another word.
func wordEnd(text string, isQ bool) int {
	end := strings.Index(text, "?=")
	for isQ && end >= 0 {
		after := text[end+len("?="):]
		more := strings.Index(after, "?=")
		_, isOctet := hexPair(after)
		if more < 0 || !isOctet || strings.ContainsAny(after[:more], " \t") || strings.Contains(after[:more], "=?") {
			break
		}
		end += len("?=") + more
	}
	return end
}
