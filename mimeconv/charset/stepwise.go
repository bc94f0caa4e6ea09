package charset

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/transform"
)

// stepwise is a charset that golang.org/x/text lacks and that is decoded character by character. It
// only decodes.
type stepwise struct {
	encoding.Encoding             // for the encoder, which is never used
	start             func() step // begins a text
}

// step decodes the start of src, which is not empty. read is 0 if src ends within a character.
type step func(src []byte) (text string, read int)

var (
	eucTW     = &stepwise{encoding.Replacement, func() step { return stepEUCTW }}
	johab     = &stepwise{encoding.Replacement, func() step { return stepJohab }}
	iso2022CN = &stepwise{encoding.Replacement, func() step { return new(shifts).step }}
)

// NewDecoder implements encoding.Encoding.
func (s *stepwise) NewDecoder() *encoding.Decoder {
	return &encoding.Decoder{Transformer: &stepDecoder{stepwise: s, next: s.start()}}
}

type stepDecoder struct {
	*stepwise
	next step
}

// Reset implements transform.Transformer.
func (d *stepDecoder) Reset() { d.next = d.start() }

// Transform implements transform.Transformer.
func (d *stepDecoder) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	const longest = 2 * utf8.UTFMax // Big5 has characters that are two in Unicode
	for nSrc < len(src) {
		if len(dst)-nDst < longest {
			return nDst, nSrc, transform.ErrShortDst
		}
		text, n := d.next(src[nSrc:])
		switch {
		case n == 0 && !atEOF:
			return nDst, nSrc, transform.ErrShortSrc
		case n == 0:
			text = invalid
			n = len(src) - nSrc
		}
		nDst += copy(dst[nDst:], text)
		nSrc += n
	}
	return nDst, nSrc, nil
}

const invalid = "\ufffd"

// pair decodes a character of two octets.
func pair(enc encoding.Encoding, first, second byte) string {
	text, err := enc.NewDecoder().String(string([]byte{first, second}))
	if err != nil || strings.Contains(text, invalid) {
		return invalid
	}
	return text
}

// stepEUCTW decodes EUC-TW: planes of CNS 11643, of which the second and higher follow an octet 8e
// and the number of the plane.
func stepEUCTW(src []byte) (text string, read int) {
	const planes = 0x8e
	switch {
	case src[0] < utf8.RuneSelf:
		return string(src[:1]), 1
	case src[0] != planes && len(src) >= 2:
		return cns(1, src[0], src[1]), 2
	case src[0] == planes && len(src) >= 4:
		return cns(int(src[1])-0xa0, src[2], src[3]), 4
	}
	return "", 0
}

// cns decodes a character of CNS 11643, whose octets may be in their 7-bit form, by way of Big5. Its
// planes above the second, which Big5 lacks, are in no mail.
func cns(plane int, first, second byte) string {
	row, column := int(first|0x80)-0xa1, int(second|0x80)-0xa1
	if row < 0 || column < 0 || row >= 94 || column >= 94 {
		return invalid
	}
	n := row*94 + column
	for _, r := range cnsRanges {
		if r.plane == plane && r.first <= n && n < r.first+r.length {
			const rowLength, low = 157, 63 // of Big5, and characters of a row with a second octet below 7f
			row, column := divide(r.big5+n-r.first, rowLength)
			if column < low {
				return pair(traditionalchinese.Big5, byte(0xa1+row), byte(0x40+column))
			}
			return pair(traditionalchinese.Big5, byte(0xa1+row), byte(0xa1+column-low))
		}
	}
	return invalid
}

func divide(a, b int) (quotient, remainder int) { return a / b, a % b }

// shifts is the state of ISO-2022-CN (RFC 1922): the charsets to which SO and SS2 shift.
type shifts struct {
	out   bool
	plane int // of SO: 0 for GB 2312, 1 for plane 1 of CNS 11643
}

// step decodes what comes next in the current charset.
func (s *shifts) step(src []byte) (text string, read int) {
	const escape, length = 0x1b, 4 // of designations
	switch c := src[0]; {
	case c == escape && len(src) >= length && strings.HasPrefix(string(src[1:length]), "$)"):
		s.plane = 0
		if src[3] == 'G' {
			s.plane = 1
		}
		return "", length
	case c == escape && len(src) >= length && strings.HasPrefix(string(src[1:length]), "$*"): // SS2: plane 2
		return "", length
	case c == escape && len(src) >= length && src[1] == 'N':
		return cns(2, src[2], src[3]), length
	case c == shiftOut || c == shiftIn:
		s.out = c == shiftOut
		return "", 1
	case c == '\n': // each line begins in ASCII
		s.out = false
		return "\n", 1
	case !s.out || c <= ' ':
		return string(src[:1]), 1
	case len(src) < 2:
		return "", 0
	case s.plane == 1:
		return cns(1, c, src[1]), 2
	}
	return pair(simplifiedchinese.GBK, src[0]|0x80, src[1]|0x80), 2
}

// The letters of a syllable in Johab by their numbers there, -1 for none.
const (
	johabInitials = "\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"
	johabMedials  = "\x00\x00\x00\x01\x02\x03\x04\x05\x00\x00\x06\x07\x08\x09\x0a\x0b\x00\x00\x0c\x0d\x0e\x0f\x10\x11" +
		"\x00\x00\x12\x13\x14\x15"
)

// stepJohab decodes Johab (KS X 1001, annex 3): the letters of a syllable have five bits each, and
// other characters are those of EUC-KR in another order.
func stepJohab(src []byte) (text string, read int) {
	c := src[0]
	switch {
	case c < utf8.RuneSelf:
		return string(src[:1]), 1
	case len(src) < 2:
		return "", 0
	case c <= 0xd3:
		return johabSyllable(int(c)<<8 | int(src[1])), 2
	case 0xd9 <= c && c <= 0xde:
		return johabPair(2*int(c-0xd9), src[1]), 2
	case 0xe0 <= c && c <= 0xf9:
		return johabPair(41+2*int(c-0xe0), src[1]), 2
	}
	return invalid, 2
}

// johabSyllable decodes a syllable.
func johabSyllable(code int) string {
	letter := func(numbers string, n int) int {
		if n >= len(numbers) {
			return -1
		}
		return int(numbers[n]) - 1
	}
	initial, medial := letter(johabInitials, code>>10&31), letter(johabMedials, code>>5&31)
	final := code&31 - 1 // the 18th is not used
	if final > 16 {
		final--
	}
	switch {
	case final < 0 || final > 27:
		return invalid
	case initial >= 0 && medial >= 0:
		const first, medials, finals = 0xac00, 21, 28
		return string(rune(first + (initial*medials+medial)*finals + final))
	case initial >= 0 && final == 0:
		return string([]rune("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ")[initial])
	case medial >= 0 && final == 0:
		return string('ㅏ' + rune(medial))
	}
	return invalid
}

// johabPair decodes a character of the two rows of KS X 1001 that start with row, counted from 0.
func johabPair(row int, second byte) string {
	var column int
	switch {
	case 0x31 <= second && second <= 0x7e:
		column = int(second) - 0x31
	case second >= 0x91:
		column = int(second) - 0x43
	default:
		return invalid
	}
	more, column := divide(column, 94)
	return pair(korean.EUCKR, byte(0xa1+row+more), byte(0xa1+column))
}
