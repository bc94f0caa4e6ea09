package charset

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// wide are the charsets of two octets for a character, to which systems add characters of their own.
var wide = []encoding.Encoding{
	japanese.ShiftJIS,
	japanese.EUCJP,
	korean.EUCKR,
	simplifiedchinese.GBK,
	simplifiedchinese.GB18030,
	traditionalchinese.Big5,
	eucTW,
	johab,
}

func isWide(enc encoding.Encoding) bool { return slices.Contains(wide, enc) }

// decodeMostly decodes b and reports whether two of three characters outside ASCII are valid. Those
// of Shift_JIS that users define, such as the emoji of Japanese carriers, become geta marks, as is
// usual in Japan.
func decodeMostly(enc encoding.Encoding, b []byte) ([]byte, bool) {
	if enc == japanese.ShiftJIS {
		b = markUserDefined(b)
	}
	text, err := enc.NewDecoder().Bytes(b)
	bad := bytes.Count(text, []byte("\ufffd")) + bytes.Count(text, []byte("〓"))
	good := -bad
	for _, c := range text {
		if c >= utf8.RuneSelf && utf8.RuneStart(c) {
			good++
		}
	}
	return text, err == nil && good >= 2*bad
}

// markUserDefined replaces the user-defined characters of Shift_JIS by geta marks.
func markUserDefined(b []byte) []byte {
	const geta = "\x81\xac"
	b = bytes.Clone(b)
	for i := 0; i+1 < len(b); i++ {
		switch c := b[i]; {
		case 0xf0 <= c && c <= 0xf9 && b[i+1] >= '@':
			i += copy(b[i:], geta) - 1
		case 0x81 <= c && c <= 0x9f, 0xe0 <= c && c <= 0xfc: // the first octet of another character
			i++
		}
	}
	return b
}

// joinHalves replaces surrogate pairs that are encoded like two characters, which CESU-8 and some
// databases do, if b is UTF-8 but for them.
func joinHalves(b []byte) []byte {
	const half = 3 // octets
	if bytes.IndexByte(b, 0xed) < 0 || utf8.Valid(b) {
		return b
	}
	joined := make([]byte, 0, len(b))
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		pair := utf16.DecodeRune(surrogate(rest), surrogate(rest[min(half, len(rest)):]))
		switch {
		case pair != utf8.RuneError:
			joined = utf8.AppendRune(joined, pair)
			n = 2 * half
		case r == utf8.RuneError && n == 1:
			return b
		default:
			joined = append(joined, rest[:n]...)
		}
		rest = rest[n:]
	}
	return joined
}

// surrogate returns the surrogate at the start of b, 0 if there is none.
func surrogate(b []byte) rune {
	if len(b) < 3 || b[0] != 0xed || b[1] < 0xa0 || b[1] > 0xbf || b[2]&0xc0 != 0x80 {
		return 0
	}
	return 0xd000 | rune(b[1]&0x3f)<<6 | rune(b[2]&0x3f)
}
