// Package charset converts text in any charset used in mail to UTF-8.
//
// The charset label of a message is often wrong, so the text itself is inspected
// first. [Decode] reports which charset it used and how it chose it. It never fails:
// text that is invalid in every candidate charset is read as windows-1252, which
// defines every octet.
package charset

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cention-sany/utf7"
	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	// maxDetect is how much text is used for charset detection, in octets. More text
	// makes detection slower, not better.
	maxDetect = 8 << 10

	// minConfidence is the lowest confidence, of 100, at which a detected charset is
	// used. Below it, a Western European charset is the best guess.
	minConfidence = 30

	// minForeign is the same for text most of whose letters are over 127, which no Western European
	// text is. Prices with £ and temperatures with ° have no such letters.
	minForeign = 10

	// minHigh is the lowest number of octets over 127 that detection needs.
	minHigh = 5

	// minHighLetter is the lowest octet of letters over 127 in most charsets of one octet for a
	// character. Below it, Western European ones have signs.
	minHighLetter = 0xc0

	// maxDoubles is how many characters of two octets a text can have that is UTF-8 by chance.
	// Four are rare already.
	maxDoubles = 8

	// minSecond is the lowest second octet of the characters of two octets that are in use. Those with
	// a lower one are rare, and were added to their charsets later.
	minSecond = 0xa1

	// maxMeta is how much of an HTML document is searched for a declared charset, in
	// octets. Browsers search the first 1024.
	maxMeta = 4 << 10
)

// How reports how Decode chose a charset.
type How int

// The ways to choose a charset.
const (
	Declared How = iota // the declared charset fits, or the text is ASCII
	Guessed             // the declared charset is missing or wrong
	Unknown             // the declared charset is unknown
)

// Decode converts b to UTF-8. declared is the charset label of the text, "" if it has
// none; isHTML allows for a charset declared in a meta element.
//
// Labels are often wrong, so the candidates are, in order: UTF-8, if b is valid UTF-8, and not a few
// characters of two octets as the declared charset has them; the declared charset, if b is valid in it, and not
// evidently Cyrillic in another;
// the charset of a byte order mark or of a meta element; detected charsets; windows-1252. The result is
// always valid UTF-8. used is the charset that replaced the declared one, "" if how is Declared. text can alias b.
func Decode(b []byte, declared string, isHTML bool) (text []byte, used string, how How) {
	return decode(b, declared, isHTML, detectCharsets)
}

// DecodeFast is like Decode but detects no charsets, which takes most of the time of Decode where
// neither UTF-8 nor the declared charset fits.
func DecodeFast(b []byte, declared string, isHTML bool) (text []byte, used string, how How) {
	return decode(b, declared, isHTML, func([]byte, bool) []string { return nil })
}

// detector returns the likely charsets of a text, most likely first.
type detector func(b []byte, isHTML bool) []string

func decode(b []byte, declared string, isHTML bool, detect detector) (text []byte, used string, how How) {
	declared = Name(declared)
	enc, known := Lookup(declared)
	b = joinHalves(b)
	if text, used, ok := decodeShifted(b, declared, enc); ok {
		if used == "" {
			return text, "", Declared
		}
		return text, used, Guessed
	}
	if utf8.Valid(b) && !isUTF8ByChance(b, enc) {
		text := bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		switch {
		case declared != "" && !known:
			return text, "utf-8", Unknown
		case declared != "utf-8" && !IsASCII(text):
			return text, "utf-8", Guessed
		}
		return text, "", Declared
	}
	if other, name := swappedCyrillic(b, enc); other != nil {
		if text, fits := decodeClean(other, b); fits {
			return text, name, Guessed
		}
	}
	if text, fits := decodeClean(enc, b); fits {
		return text, "", Declared
	}
	text, used = decodeGuess(b, enc, isHTML, detect)
	if declared != "" && !known {
		return text, used, Unknown
	}
	return text, used, Guessed
}

// isUTF8ByChance reports whether b, which is valid UTF-8, is a word or two of a charset with two octets
// for a character: the octets of 通知 in GBK are two accents in UTF-8. In UTF-8, the characters of those
// charsets have three octets. A single © between ASCII is no such word, and neither are Größe and créée.
// In Shift_JIS, these octets are Katakana of half width, of which no word is UTF-8. In the others, characters
// with the same first octet sound alike and are no word if there are three, but a word in Greek or Russian may be.
func isUTF8ByChance(b []byte, declared encoding.Encoding) bool {
	if !isWide(declared) || declared == japanese.ShiftJIS {
		return false
	}
	doubles, last := 0, 0
	areAdjacent, areWestern := false, true
	firsts, letters := make(map[byte]bool), make(map[rune]bool) // of the characters of two octets
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if n > 2 || n == 2 && (doubles == maxDoubles || rest[1] < minSecond) {
			return false
		}
		if n == 2 {
			doubles++
			areAdjacent = areAdjacent || last == 2
			areWestern = areWestern && 'À' <= r && r <= 'ÿ'
			firsts[rest[0]] = true
			letters[r] = true
		}
		rest = rest[n:]
		last = n
	}
	isOnly := len(b) == 2*doubles
	isWord := areAdjacent || isOnly && doubles == 1
	areAlike := len(firsts) == 1 && len(letters) > 2
	if !isWord || areAlike || areWestern && !isOnly {
		return false
	}
	_, fits := decodeClean(declared, b)
	return fits
}

// decodeGuess decodes b, which is valid neither in UTF-8 nor in the declared charset.
func decodeGuess(b []byte, declared encoding.Encoding, isHTML bool, detect detector) (text []byte, name string) {
	if enc, name := ownDeclaration(b, isHTML); enc != nil {
		if text, ok := decodeClean(enc, b); ok {
			return text, name
		}
	}
	if isMostlyUTF8(b, declared == unicode.UTF8) {
		return mixUTF8(b), "utf-8 with some windows-1252"
	}
	if isWide(declared) {
		if text, ok := decodeMostly(declared, b); ok {
			return text, withoutInvalid
		}
	}
	for _, name := range detect(b, isHTML) {
		enc, _ := Lookup(name)
		if text, ok := decodeClean(enc, b); ok {
			return text, name
		}
	}
	if declared != nil && declared != unicode.UTF8 {
		text, err := declared.NewDecoder().Bytes(b)
		if err == nil && bytes.Count(text, []byte("\ufffd"))*20 < utf8.RuneCount(text) {
			return text, withoutInvalid
		}
	}
	windows, _ := charmap.Windows1252.NewDecoder().Bytes(b) // defines every octet
	return windows, "windows-1252"
}

// withoutInvalid is the name of the declared charset for text that it nearly fits.
const withoutInvalid = "the declared charset without invalid octets"

// decodeShifted decodes text in a charset that can pass for ASCII, or for UTF-8 with
// NULs. used is the name of the charset if it is not the declared one. ok is false if b
// is in no such charset.
func decodeShifted(b []byte, declared string, enc encoding.Encoding) (text []byte, used string, ok bool) {
	escapes := bytes.IndexByte(b, 0x1b) >= 0 || bytes.IndexByte(b, shiftOut) >= 0
	nuls := bytes.IndexByte(b, 0) >= 0
	if escapes || nuls {
		if guess, name := guessShifted(b); guess != nil {
			text, ok := decodeClean(guess, b)
			if !ok && guess == japanese.ISO2022JP { // with characters of its own, and unreadable as ASCII
				text, ok = decodeMostly(guess, b)
			}
			if strings.HasPrefix(declared, name) {
				name = ""
			}
			return text, name, ok
		}
	}
	switch {
	case strings.HasPrefix(declared, "iso-2022") && escapes,
		strings.HasPrefix(declared, "utf-16") && nuls,
		strings.HasPrefix(declared, "hz-") && bytes.Contains(b, []byte("~{")),
		enc == utf7.UTF7 && bytes.IndexByte(b, '+') >= 0:
		text, ok := decodeClean(enc, b)
		if !ok && enc != nil && escapes {
			text, ok = decodeMostly(enc, b)
		}
		return text, "", ok
	}
	return nil, "", false
}

// guessShifted recognizes ISO-2022-JP by its escape sequences and UTF-16 by the NULs in
// its ASCII characters. enc is nil if b is in neither.
func guessShifted(b []byte) (enc encoding.Encoding, name string) {
	if bytes.Contains(b, []byte("\x1b$B")) || bytes.Contains(b, []byte("\x1b$@")) {
		return japanese.ISO2022JP, "iso-2022-jp"
	}
	const shortest = 4 // octets of UTF-16 that are recognized
	var nul [2]int     // at even and at odd offsets
	for i, c := range b {
		if c == 0 {
			nul[i%2]++
		}
	}
	switch {
	case len(b) < shortest:
	case nul[0] > len(b)/4 && 8*nul[1] < nul[0]:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf-16"
	case nul[1] > len(b)/4 && 8*nul[0] < nul[1]:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16"
	}
	return nil, ""
}

// maxPiece is how much decodeClean decodes before it checks the result, in octets.
const maxPiece = 4 << 10

// decodeClean decodes b and reports whether all of it is valid in enc. It stops at the
// first octets that are not.
func decodeClean(enc encoding.Encoding, b []byte) (text []byte, ok bool) {
	if enc == nil {
		return nil, false
	}
	decoder := enc.NewDecoder()
	piece := make([]byte, min(maxPiece, 2*len(b)+utf8.UTFMax))
	for {
		n, read, err := decoder.Transform(piece, b, true)
		if !isClean(piece[:n]) {
			return nil, false
		}
		text = append(text, piece[:n]...)
		b = b[read:]
		switch {
		case err == nil:
			return bytes.TrimPrefix(text, []byte("\ufeff")), true
		case !errors.Is(err, transform.ErrShortDst):
			return nil, false
		case n == 0: // the UTF-7 decoder writes whole runs
			piece = make([]byte, 2*len(piece))
		}
	}
}

// isClean reports whether decoded text is free of replacement characters and of control
// characters from U+0080 to U+009F, which nobody writes.
func isClean(text []byte) bool {
	for len(text) > 0 {
		if text[0] < utf8.RuneSelf {
			text = text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError || r < 0xa0 && r != 0x85 {
			return false
		}
		text = text[n:]
	}
	return true
}

// ownDeclaration returns the charset that the text itself declares, in a byte order mark
// or an HTML meta element. The encoding is nil if there is none.
func ownDeclaration(b []byte, isHTML bool) (encoding.Encoding, string) {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		enc, _ := Lookup("utf-16")
		return enc, "utf-16"
	case isHTML:
		html := string(b[:min(len(b), maxMeta)])
		if from, to, ok := MetaCharset(html); ok {
			name := Name(html[from:to])
			enc, _ := Lookup(name)
			return enc, name
		}
	}
	return nil, ""
}

// MetaCharset finds the charset that a meta element of an HTML document declares, in
// either form: <meta charset=…> or <meta http-equiv=… content="…; charset=…">. The charset
// is html[from:to].
func MetaCharset(html string) (from, to int, ok bool) {
	html = html[:min(len(html), maxMeta)]
	for pos := 0; ; {
		i := IndexFold(html[pos:], "<meta")
		if i < 0 {
			return 0, 0, false
		}
		pos += i + len("<meta")
		tag, _, _ := strings.Cut(html[pos:], ">")
		i = IndexFold(tag, "charset=")
		if i < 0 {
			continue
		}
		i += len("charset=")
		value := strings.TrimLeft(tag[i:], " \t\"'")
		from = pos + len(tag) - len(value)
		n := strings.IndexFunc(value, func(r rune) bool {
			return strings.ContainsRune(" \t\r\n\"';/", r)
		})
		if n < 0 {
			n = len(value)
		}
		if n > 0 {
			return from, from + n, true
		}
	}
}

// isMostlyUTF8 reports whether b is UTF-8 except for a few octets, such as a footer that a mailing
// list appended in another charset. If it is declared to be UTF-8, less is enough.
func isMostlyUTF8(b []byte, isDeclared bool) bool {
	atLeast, times := 3, 3
	if isDeclared {
		atLeast, times = 1, 1
	}
	runes, bad := 0, 0
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			runes++
		}
		b = b[n:]
		if times*bad > runes+len(b)/2 { // regardless of what follows
			return false
		}
	}
	return runes >= atLeast
}

// mixUTF8 decodes b as UTF-8, and octets that are invalid in it as windows-1252.
func mixUTF8(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(b[0])
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// detectCharsets returns the likely charsets of b, most likely first. The detector runs
// its recognizers concurrently and returns charsets of equal confidence in random order,
// so they are sorted: the same text is always read the same way.
func detectCharsets(b []byte, isHTML bool) []string {
	b = b[:min(len(b), maxDetect)]
	high, highLetters, letters := 0, 0, 0
	for _, c := range b {
		switch {
		case c >= utf8.RuneSelf:
			high++
			if c >= minHighLetter {
				highLetters++
			}
		case 'a' <= c|0x20 && c|0x20 <= 'z':
			letters++
		}
	}
	if high < minHigh {
		return nil
	}
	least := minConfidence
	if highLetters >= minHigh && highLetters > letters {
		least = minForeign
	}
	detector := chardet.NewTextDetector()
	if isHTML {
		detector = chardet.NewHtmlDetector()
	}
	results, err := detector.DetectAll(b)
	if err != nil {
		return nil
	}
	best := make(map[string]int)
	for _, r := range results {
		name := strings.ToLower(r.Charset)
		best[name] = max(best[name], r.Confidence)
	}
	var names []string
	for name, confidence := range best {
		// EBCDIC (ibm42x) is not used in mail; UTF-32 is a misreading of NULs.
		if confidence >= least && !strings.HasPrefix(name, "ibm") && !strings.HasPrefix(name, "utf") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(best[b], best[a]), cmp.Compare(a, b))
	})
	return names
}
