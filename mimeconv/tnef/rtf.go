package tnef

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"heyrelay/mimeconv/charset"
)

// maxRTF bounds decompressed RTF and its text, in octets.
const maxRTF = 8 << 20

// rtfDictionary is the initial dictionary of compressed RTF (MS-OXRTFCP, section 2.1.2.1).
const rtfDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}` +
	`{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor ` +
	`MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` + "\r\n" +
	`\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// expandRTF decompresses RTF, up to maxRTF octets. It stops at damaged data.
func expandRTF(b []byte) []byte {
	const headerSize = 16
	if len(b) < headerSize {
		return nil
	}
	magic, b := string(b[8:12]), b[headerSize:]
	if magic == "MELA" { // not compressed
		return b[:min(len(b), maxRTF)]
	}
	var window [4096]byte
	pos := copy(window[:], rtfDictionary)
	var out []byte
	put := func(c byte) {
		out = append(out, c)
		window[pos] = c
		pos = (pos + 1) % len(window)
	}
	for len(b) > 0 && len(out) < maxRTF {
		flags := b[0]
		b = b[1:]
		for i := 0; i < 8 && len(b) > 0; i, flags = i+1, flags>>1 {
			if flags&1 == 0 {
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out
			}
			reference := binary.BigEndian.Uint16(b)
			from, n := int(reference>>4), int(reference&15)+2
			b = b[2:]
			if from == pos {
				return out
			}
			for ; n > 0; n-- {
				put(window[from])
				from = (from + 1) % len(window)
			}
		}
	}
	return out
}

// MaxExpanded returns how many octets ReadRTF makes of compressed RTF at most, and its text
// has no more: a reference of two octets stands for 17.
func MaxExpanded(compressed []byte) int { return min(maxRTF, 9*len(compressed)) }

// maxGroups bounds nested groups. A group nested more deeply ends with the group around it.
const maxGroups = 1000

// rtfReader extracts the text of RTF, or the HTML it encapsulates (MS-OXRTFEX).
type rtfReader struct {
	out     strings.Builder
	bytes   []byte // text that is not decoded yet
	charset string
	html    bool // it encapsulates HTML
	state   rtfState
	stack   []rtfState
	deeper  int  // number of groups beyond maxGroups
	skip    int  // number of fallback characters to skip
	half    rune // the first half of a character beyond 16 bits, 0 for none
}

// rtfState is the state that a group restores at its end.
type rtfState struct {
	hidden  bool // not text
	starred bool // after \*: an unknown destination is hidden
	htmlrtf bool // RTF that duplicates the encapsulated HTML
	unicode int  // number of fallback characters after a Unicode character
}

// ReadRTF extracts the text of compressed RTF. kind is "text/html" if the RTF encapsulates
// HTML, else "text/plain". data is UTF-8, at most about 8 MiB, and does not alias
// compressed.
func ReadRTF(compressed []byte) (kind string, data []byte) { return readRTF(expandRTF(compressed)) }

// readRTF extracts the text of uncompressed RTF.
func readRTF(b []byte) (kind string, data []byte) {
	r := rtfReader{state: rtfState{unicode: 1}}
	for i := 0; i < len(b); {
		i += r.token(b[i:])
		if r.out.Len() > maxRTF {
			break
		}
	}
	r.flush()
	if r.html {
		return "text/html", []byte(r.out.String())
	}
	return "text/plain", []byte(r.out.String())
}

// token reads the token at the start of b and returns its length.
func (r *rtfReader) token(b []byte) int {
	switch c := b[0]; c {
	case '{':
		r.open()
	case '}':
		r.close()
	case '\\':
		return r.control(b)
	case '\r', '\n', 0:
	default:
		r.char(c)
	}
	return 1
}

func (r *rtfReader) open() {
	if len(r.stack) == maxGroups {
		r.deeper++
		return
	}
	r.stack = append(r.stack, r.state)
}

func (r *rtfReader) close() {
	switch n := len(r.stack); {
	case r.deeper > 0:
		r.deeper--
	case n > 0:
		r.state, r.stack = r.stack[n-1], r.stack[:n-1]
	}
}

// control reads a control word or symbol and returns its length.
func (r *rtfReader) control(b []byte) int {
	end := 1
	for end < len(b) && end < 32 && 'a' <= b[end]|0x20 && b[end]|0x20 <= 'z' {
		end++
	}
	if end == 1 {
		return r.symbol(b)
	}
	word, digits := string(b[1:end]), end
	for end < len(b) && end-digits < 11 && ('0' <= b[end] && b[end] <= '9' || b[end] == '-' && end == digits) {
		end++
	}
	n, err := strconv.Atoi(string(b[digits:end]))
	if err != nil {
		n = 1
	}
	if end < len(b) && b[end] == ' ' {
		end++
	}
	if word == "bin" { // n octets that are not RTF
		return min(end+max(n, 0), len(b))
	}
	r.word(word, n)
	return end
}

// symbol reads a control symbol and returns its length.
func (r *rtfReader) symbol(b []byte) int {
	if len(b) < 2 {
		return 1
	}
	switch c := b[1]; c {
	case '\'':
		if c, err := strconv.ParseUint(string(b[2:min(4, len(b))]), 16, 8); err == nil && len(b) >= 4 {
			r.char(byte(c))
			return 4
		}
	case '*':
		r.state.starred = true
	case '~':
		r.text("\u00a0")
	case '_':
		r.text("-")
	case '\\', '{', '}':
		r.char(c)
	}
	return 2
}

// word processes a control word with its parameter n.
func (r *rtfReader) word(name string, n int) {
	starred := r.state.starred
	r.state.starred = false
	switch name {
	case "ansicpg":
		r.charset = codepageName(uint32(n))
	case "fromhtml":
		r.html = true
	case "htmltag":
		r.state.hidden = false
	case "htmlrtf":
		r.flush()
		r.state.htmlrtf = r.html && n != 0
	case "par", "line":
		r.text("\n")
	case "tab", "cell":
		r.text("\t")
	case "row":
		r.text("\n")
	case "lquote", "rquote":
		r.text("'")
	case "ldblquote", "rdblquote":
		r.text(`"`)
	case "bullet":
		r.text("•")
	case "endash", "emdash":
		r.text("–")
	case "uc":
		r.state.unicode = min(max(n, 0), 10)
	case "u":
		r.unicode(rune(uint16(n)))
		r.skip = r.state.unicode
	case "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer":
		r.state.hidden = true
	default:
		r.state.hidden = r.state.hidden || starred
	}
}

// unicode adds a unit of UTF-16: a character, or one of the two halves of which one is written.
func (r *rtfReader) unicode(unit rune) {
	whole := utf16.DecodeRune(r.half, unit)
	r.half = 0
	switch {
	case whole != utf8.RuneError:
		r.text(string(whole))
	case 0xd800 <= unit && unit < 0xdc00:
		r.half = unit
	default:
		r.text(string(unit))
	}
}

// char adds an octet of text.
func (r *rtfReader) char(c byte) {
	switch {
	case r.skip > 0:
		r.skip--
	case !r.state.hidden && !r.state.htmlrtf:
		r.bytes = append(r.bytes, c)
	}
}

// text adds text that is already UTF-8.
func (r *rtfReader) text(s string) {
	if !r.state.hidden && !r.state.htmlrtf {
		r.flush()
		r.out.WriteString(s)
	}
}

// flush decodes the pending octets in the code page that the RTF declares, which is
// reliable.
func (r *rtfReader) flush() {
	if len(r.bytes) == 0 {
		return
	}
	enc, _ := charset.Lookup(r.charset)
	if enc == nil {
		enc = charmap.Windows1252
	}
	if text, err := enc.NewDecoder().Bytes(r.bytes); err == nil {
		r.out.Write(text)
	}
	r.bytes = r.bytes[:0]
}
