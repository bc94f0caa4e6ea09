// Package charset reads text in any charset of mail as UTF-8.
//
// A label says what its writer's program believed, which is often wrong: so the
// text itself is asked first. [Decode] tells what it found and how, and never
// fails: what makes no sense in any charset is read as windows-1252, which knows
// every octet.
package charset

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cention-sany/utf7"
	"github.com/gogs/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	// maxDetect bounds what charset detection looks at, in octets; more makes it
	// slower, not better.
	maxDetect = 8 << 10

	// minConfidence is how sure (of 100) detection must be. Under it, text in a
	// Western European charset is the best guess.
	minConfidence = 30

	// minHigh is how many octets over 127 detection needs to tell anything.
	minHigh = 5

	// maxMeta bounds where an HTML document may declare its charset, in octets;
	// browsers look at the first 1024.
	maxMeta = 4 << 10
)

// How says how the charset of a text was found.
type How int

// The ways in which a charset is found.
const (
	Declared How = iota // as it was declared, or nothing had to be guessed
	Guessed             // the declared charset is missing or wrong
	Unknown             // nobody knows the declared charset
)

// Decode converts text to UTF-8. Labels lie often, so the order is: what is valid
// UTF-8; the declared charset, if it decodes cleanly; a byte order mark or an HTML
// document's own declaration; detection; windows-1252, which can read anything. The
// result is always valid UTF-8. used is the name of the charset that was used
// instead of the declared one, "" where how is Declared.
func Decode(b []byte, declared string, isHTML bool) (text, used string, how How) {
	declared = Name(declared)
	enc, known := Lookup(declared)
	if text, used, ok := decodeShifted(b, declared, enc); ok {
		if used == "" {
			return text, "", Declared
		}
		return text, used, Guessed
	}
	if utf8.Valid(b) {
		text := string(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
		switch {
		case declared != "" && !known:
			return text, "utf-8", Unknown
		case declared != "utf-8" && !IsASCII(text):
			return text, "utf-8", Guessed
		}
		return text, "", Declared
	}
	if text, fits := decodeClean(enc, b); fits {
		return text, "", Declared
	}
	text, used = decodeGuess(b, enc, isHTML)
	if declared != "" && !known {
		return text, used, Unknown
	}
	return text, used, Guessed
}

// decodeGuess reads b, which is neither UTF-8 nor what it was declared to be.
func decodeGuess(b []byte, declared encoding.Encoding, isHTML bool) (text, name string) {
	if enc, name := ownDeclaration(b, isHTML); enc != nil {
		if text, ok := decodeClean(enc, b); ok {
			return text, name
		}
	}
	if text, ok := repairUTF8(b); ok {
		return text, "utf-8 with some windows-1252"
	}
	for _, name := range detectCharsets(b, isHTML) {
		enc, _ := Lookup(name)
		if text, ok := decodeClean(enc, b); ok {
			return text, name
		}
	}
	if declared != nil {
		text, err := declared.NewDecoder().Bytes(b)
		if err == nil && bytes.Count(text, []byte("\ufffd"))*20 < utf8.RuneCount(text) {
			return string(text), "the declared charset without invalid octets"
		}
	}
	windows, _ := charmap.Windows1252.NewDecoder().Bytes(b) // knows every octet
	return string(windows), "windows-1252"
}

// Name tidies a charset's name: `"UTF8"`, "charset=utf-8" and the like.
func Name(s string) string {
	s = strings.ToLower(strings.Trim(s, " \t\r\n\"'"))
	s = strings.TrimPrefix(s, "charset=")
	switch s {
	case "utf8", "utf-8-strict", "utf8mb4", "x-utf-8":
		return "utf-8"
	}
	return s
}

// Lookup finds the encoding of that name, in browsers' reading (where
// iso-8859-1 is windows-1252, and gb2312 is GBK). known with a nil encoding is
// ASCII, whose label says nothing about octets over 127.
func Lookup(name string) (enc encoding.Encoding, known bool) {
	switch name {
	case "":
		return nil, false
	case "us-ascii", "ascii", "ansi_x3.4-1968", "7bit", "646":
		return nil, true
	case "utf-16", "ucs-2", "iso-10646-ucs-2":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true // RFC 2781, section 4.3
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "utf-7", "unicode-1-1-utf-7":
		return utf7.UTF7, true
	case "iso-2022-kr", "csiso2022kr":
		return iso2022KR{korean.EUCKR}, true
	case "cp932", "ms932":
		name = "shift_jis"
	case "cp936", "ms936":
		name = "gbk"
	case "cp949", "ms949", "uhc":
		name = "euc-kr"
	case "cp950":
		name = "big5"
	}
	// The replacement encoding is a browser's way to refuse a charset.
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc, true
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc, true
	}
	return nil, false
}

// decodeShifted reads text in a charset that can look like ASCII, or like UTF-8
// with NULs; used is its name where it is not the declared one. ok is false where b
// is nothing of the kind.
func decodeShifted(b []byte, declared string, enc encoding.Encoding) (text, used string, ok bool) {
	escapes := bytes.IndexByte(b, 0x1b) >= 0 || bytes.IndexByte(b, shiftOut) >= 0
	nuls := bytes.IndexByte(b, 0) >= 0
	if escapes || nuls {
		if guess, name := guessShifted(b); guess != nil {
			text, ok := decodeClean(guess, b)
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
		return text, "", ok
	}
	return "", "", false
}

// guessShifted knows ISO-2022-JP by its escapes and UTF-16 by the NULs of its
// ASCII; nil when it is neither.
func guessShifted(b []byte) (enc encoding.Encoding, name string) {
	if bytes.Contains(b, []byte("\x1b$B")) || bytes.Contains(b, []byte("\x1b$@")) {
		return japanese.ISO2022JP, "iso-2022-jp"
	}
	var nul [2]int // at even and at odd offsets
	for i, c := range b {
		if c == 0 {
			nul[i%2]++
		}
	}
	switch {
	case nul[0] > len(b)/4 && nul[1] < nul[0]/8:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf-16"
	case nul[1] > len(b)/4 && nul[0] < nul[1]/8:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16"
	}
	return nil, ""
}

// maxPiece is how much decodeClean decodes before it looks whether that makes
// sense, in octets.
const maxPiece = 4 << 10

// decodeClean decodes b and reports whether it all made sense. It stops where it
// does not.
func decodeClean(enc encoding.Encoding, b []byte) (string, bool) {
	if enc == nil {
		return "", false
	}
	var out strings.Builder
	decoder := enc.NewDecoder()
	piece := make([]byte, min(maxPiece, 2*len(b)+utf8.UTFMax))
	for {
		n, read, err := decoder.Transform(piece, b, true)
		if !isClean(piece[:n]) {
			return "", false
		}
		out.Write(piece[:n])
		b = b[read:]
		switch {
		case err == nil:
			return strings.TrimPrefix(out.String(), "\ufeff"), true
		case err != transform.ErrShortDst:
			return "", false
		case n == 0: // UTF-7 is decoded in runs
			piece = make([]byte, 2*len(piece))
		}
	}
}

// isClean reports whether text, which a decoder made, has nothing that nobody
// writes: no characters that are undefined, and none from U+0080 to U+009F.
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

// ownDeclaration finds the charset that a text itself declares: by a byte order
// mark, or in an HTML meta element.
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

// MetaCharset finds the charset in a meta element of an HTML document, in either of
// its forms: it is html[from:to].
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

// repairUTF8 reads text that is UTF-8 but for a few octets, such as a footer
// that somebody added in another charset.
func repairUTF8(b []byte) (string, bool) {
	runes, bad := 0, 0
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			bad++
		case n > 1:
			runes++
		}
		rest = rest[n:]
		if 3*bad > runes+len(rest)/2 { // whatever follows
			return "", false
		}
	}
	if runes < 3 {
		return "", false
	}
	var out strings.Builder
	out.Grow(len(b) + 2*bad)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			r = charmap.Windows1252.DecodeByte(b[0])
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String(), true
}

// detectCharsets lists the charsets that b is likely in, the likeliest first.
// The detector runs its recognizers side by side, and what is equally likely
// comes in any order: that is sorted out here, so that the same text always
// reads the same.
func detectCharsets(b []byte, isHTML bool) []string {
	b = b[:min(len(b), maxDetect)]
	high := 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
	}
	if high < minHigh {
		return nil
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
		// EBCDIC (ibm42x) is not sent by mail; UTF-32 is a misreading of NULs.
		if confidence >= minConfidence && !strings.HasPrefix(name, "ibm") && !strings.HasPrefix(name, "utf") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(best[b], best[a]), cmp.Compare(a, b))
	})
	return names
}
