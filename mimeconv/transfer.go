package mimeconv

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"heyrelay/mimeconv/charset"
)

// decodeTransfer decodes the Content-Transfer-Encoding of a part, with the tolerance that RFC
// 2045, section 6.8, requires and more. The result can alias raw. The warning has no code if
// raw is valid.
func decodeTransfer(raw []byte, encoding string) ([]byte, Warning) {
	switch encodingName(encoding) {
	case "quotedprintable":
		data, clean := decodeQuotedPrintable(raw, printableData)
		return data, printableWarning(!clean)
	case "base64":
		return decodeLabelled64(raw)
	}
	if isUU(encoding) {
		if lines, ok := findUU(raw); ok {
			data, _ := io.ReadAll(&uuReader{lines: lines})
			return data, Warning{}
		}
	}
	return raw, unknownEncoding(encoding)
}

// unknownEncoding returns the warning of a Content-Transfer-Encoding, none if it is a known one.
func unknownEncoding(encoding string) Warning {
	switch encodingName(encoding) {
	case "", "7bit", "8bit", "binary":
		return Warning{}
	}
	detail := "unknown Content-Transfer-Encoding " + quote(encoding) + ": used as is"
	return Warning{Code: EncodingUnknown, Detail: detail}
}

// decodeLabelled64 decodes a part labeled base64, unless it is not base64 at all.
func decodeLabelled64(raw []byte) ([]byte, Warning) {
	if mayBeBase64(raw) {
		data, clean := decodeBase64(raw)
		if clean || looksBase64(raw) {
			return data, base64Warning(!clean)
		}
	}
	return raw, Warning{Code: EncodingRepaired, Detail: notBase64}
}

// mayBeBase64 reports whether it is worth decoding a part labeled base64.
func mayBeBase64(raw []byte) bool {
	const first = 1 << 10 // octets usually reveal a wrong label
	return looksBase64(raw[:min(len(raw), first)]) || looksBase64(raw)
}

// base64Warning returns the warning of base64, none if it is not damaged.
func base64Warning(isDamaged bool) Warning {
	if !isDamaged {
		return Warning{}
	}
	return Warning{Code: EncodingRepaired, Detail: "damaged base64: decoded as far as possible"}
}

const notBase64 = "not base64 despite its label: used as is"

// isFalseBase64 reports whether text labeled base64 is plain words, which decode to something that
// is no text.
func isFalseBase64(raw []byte, declared string) bool {
	if len(raw) > maxFalse || !isWords(raw) {
		return false
	}
	data, _ := decodeBase64(raw)
	text, _, how := charset.Decode(data, declared, false)
	_, dropped := cleanText(text)
	return how != charset.Declared || dropped > 0
}

// maxFalse bounds the text that is checked for a false label, in octets. Longer text has spaces
// and punctuation enough to be noticed.
const maxFalse = 4 << 10

// isWords reports whether most octets of b are in words: letters of one case, but for the first,
// or digits, and punctuation around them.
func isWords(b []byte) bool {
	all, inWords := 0, 0
	for token := range bytes.FieldsSeq(b) {
		all += len(token)
		word := bytes.Trim(token, ".,:;!?()'\"-")
		tail := word[min(1, len(word)):]
		isUpper := bytes.Equal(word, bytes.ToUpper(word))
		if len(word) <= 20 && (isUpper || bytes.Equal(tail, bytes.ToLower(tail))) {
			inWords += len(token)
		}
	}
	return 2*inWords > all
}

// trimEncodedEnd removes "=0D", "=0A" or "=0D=0A" from the end of a line of quoted-printable text:
// programs that encode line ends and also write them would double every line.
func trimEncodedEnd(line []byte) []byte {
	if n := len(line); n < 3 || line[n-3] != '=' || line[n-2] != '0' {
		return line
	}
	return trimSuffixFold(trimSuffixFold(line, "=0a"), "=0d")
}

// trimSuffixFold is like bytes.TrimSuffix but ignores case.
func trimSuffixFold(b []byte, suffix string) []byte {
	if n := len(b) - len(suffix); n >= 0 && strings.EqualFold(string(b[n:]), suffix) {
		return b[:n]
	}
	return b
}

// minDigits is the shortest line of base64 digits that is not taken for a word.
const minDigits = 40

// cutFooter splits off text that was appended to base64, such as the footer of a mailing
// list. It starts where the base64 ends and contains no line of base64.
func cutFooter(raw []byte) (data, footer []byte) {
	end := -1 // end of the base64, where a footer may start
	for pos := 0; pos < len(raw); {
		line, next := cutLine(raw, pos)
		line = bytes.TrimSpace(line)
		digits := bytes.TrimRight(line, "=")
		isData := isDigits(digits)
		switch {
		case end < 0 && !isData:
			if pos == 0 {
				return raw, nil // no base64 before it
			}
			end = pos
		case end < 0 && len(digits) < len(line):
			end = next
		case end >= 0 && isData && (len(digits) >= minDigits || len(digits) < len(line) && len(line)%4 == 0):
			return raw, nil // the base64 continues: it is damaged, or in pieces
		}
		pos = next
	}
	if end < 0 || len(bytes.TrimSpace(raw[end:])) == 0 || end < minDigits && !bytes.Contains(raw[:end], []byte("=")) {
		return raw, nil
	}
	return raw[:end], raw[end:]
}

// encodingName normalizes the name of an encoding: "Quoted_Printable (x)" is
// "quotedprintable".
func encodingName(s string) string {
	s, _, _ = strings.Cut(s, "(")
	s, _, _ = strings.Cut(s, ";")
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, s)
}

// printable is what is encoded in quoted-printable.
type printable int

const (
	printableWord printable = iota // an encoded word: trailing white space is kept
	printableData                  // a body (rule 3)
	printableText                  // a body of which encoded line ends do not double the lines
)

// printableWarning returns the warning of quoted-printable, none if it is not damaged.
func printableWarning(isDamaged bool) Warning {
	if !isDamaged {
		return Warning{}
	}
	return Warning{Code: EncodingRepaired, Detail: "invalid quoted-printable: stray equals signs kept"}
}

// decodeQuotedPrintable decodes quoted-printable. clean is false if an equals sign encodes nothing.
// The result does not alias raw.
func decodeQuotedPrintable(raw []byte, kind printable) (data []byte, clean bool) {
	return appendPrintable(nil, raw, kind)
}

// appendPrintable appends raw to data as decodeQuotedPrintable decodes it.
func appendPrintable(data, raw []byte, kind printable) (_ []byte, clean bool) {
	data = slices.Grow(data, len(raw))
	r := printableReader{raw: raw, kind: kind}
	n, _ := r.Read(data[len(data) : len(data)+len(raw)])
	return data[:len(data)+n], !r.isDamaged
}

// cutAfterLine splits b after its first line end.
func cutAfterLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], b[i+1:]
	}
	return b, nil
}

// hexPair parses two hexadecimal digits at the start of b.
func hexPair[T []byte | string](b T) (byte, bool) {
	if len(b) < 2 {
		return 0, false
	}
	hi, lo := hexDigits[b[0]], hexDigits[b[1]]
	return hi<<4 | lo, hi|lo < 16
}

// hexDigits has the value of each digit, and 16 for what is none.
var hexDigits = func() (digits [256]byte) {
	for c := range digits {
		digits[c] = 16
	}
	for value := range byte(16) {
		digits["0123456789abcdef"[value]] = value
		digits["0123456789ABCDEF"[value]] = value
	}
	return digits
}()

// isBase64 reports whether c is a base64 digit (RFC 2045, section 6.8).
func isBase64(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}

// looksBase64 distinguishes base64, damaged or not, from text with a wrong label. More than a
// tenth of text is spaces and punctuation.
func looksBase64(raw []byte) bool {
	left := len(raw) / 10
	for _, c := range raw {
		if !isBase64(c) && c != '=' && c != '\r' && c != '\n' {
			left--
			if left < 0 {
				return false
			}
		}
	}
	return true
}

// decodeBase64 decodes the base64 in raw up to its padding, or all of its pieces if only such follow.
// clean is false if there is anything else. The result does not alias raw.
func decodeBase64(raw []byte) (data []byte, clean bool) {
	data = make([]byte, base64.RawStdEncoding.DecodedLen(len(raw))+1) // never full: all of raw is read
	if n, err := base64.StdEncoding.Decode(data, raw); err == nil {
		return data[:n], true
	}
	r := newBase64Reader(raw)
	n, _ := r.Read(data)
	return data[:n], !r.isDamaged
}

// isWholeBase64 reports whether all lines of b are whole base64.
func isWholeBase64(b []byte) bool {
	for len(b) > 0 {
		var line []byte
		line, b = cutAfterLine(b)
		line = bytes.TrimSpace(line)
		if len(line)%4 != 0 || !isDigits(bytes.TrimRight(line, "=")) {
			return false
		}
	}
	return true
}

// isDigits reports whether b consists of base64 digits.
func isDigits(b []byte) bool {
	for _, c := range b {
		if !isBase64(c) {
			return false
		}
	}
	return true
}
