package mimeconv

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
)

// stream is the content of a leaf, which is decoded while it is read, so that a file costs no
// memory. The octets and the warning are those of decodeTransfer.
type stream struct {
	open    func() io.Reader // of the decoded octets, each time from the first
	size    int64            // octets
	warning Warning          // without a code if the content is valid
}

// newStream reads raw once, to know its size and what is damaged. The stream aliases raw.
func newStream(raw []byte, encoding string) stream {
	switch encodingName(encoding) {
	case "quotedprintable":
		return printableStream(raw)
	case "base64":
		return base64Stream(raw)
	}
	if isUU(encoding) {
		if lines, ok := findUU(raw); ok {
			return uuStream(lines)
		}
	}
	return unchanged(raw, unknownEncoding(encoding))
}

// unchanged is a stream of octets that are not encoded.
func unchanged(raw []byte, w Warning) stream {
	return stream{
		open:    func() io.Reader { return bytes.NewReader(raw) },
		size:    int64(len(raw)),
		warning: w,
	}
}

func printableStream(raw []byte) stream {
	first := &printableReader{raw: raw, kind: printableData}
	return stream{
		open:    func() io.Reader { return &printableReader{raw: raw, kind: printableData} },
		size:    count(first),
		warning: printableWarning(first.isDamaged),
	}
}

func base64Stream(raw []byte) stream {
	if !mayBeBase64(raw) {
		return unchanged(raw, Warning{Code: EncodingRepaired, Detail: notBase64})
	}
	open := func() io.Reader { return newBase64Reader(raw) }
	if size, ok := base64Size(raw); ok {
		return stream{open: open, size: size}
	}
	first := newBase64Reader(raw)
	size := count(first)
	if first.isDamaged && !looksBase64(raw) {
		return unchanged(raw, Warning{Code: EncodingRepaired, Detail: notBase64})
	}
	return stream{open: open, size: size, warning: base64Warning(first.isDamaged)}
}

// base64Size returns how many octets are encoded in raw. ok is false unless raw is base64 as most
// programs write it: digits, line ends, and padding at the end only.
func base64Size(raw []byte) (size int64, ok bool) {
	text := bytes.TrimRight(raw, "\r\n")
	digits := bytes.TrimRight(text, "=")
	padding := len(text) - len(digits)
	kinds := byte(0)
	for _, c := range digits {
		kinds |= base64Kinds[c]
	}
	n := len(digits) - bytes.Count(digits, []byte("\r")) - bytes.Count(digits, []byte("\n")) + padding
	if kinds != 0 || padding > 2 || n%4 != 0 {
		return 0, false
	}
	return int64(n/4*3 - padding), true
}

// base64Kinds has 0 for digits and line ends, 1 for all others: one load for an octet is several
// times faster than isBase64.
var base64Kinds = func() (kinds [256]byte) {
	for c := range kinds {
		if !isBase64(byte(c)) && c != '\r' && c != '\n' {
			kinds[c] = 1
		}
	}
	return kinds
}()

func uuStream(lines uuLines) stream {
	open := func() io.Reader { return &uuReader{lines: lines} }
	return stream{open: open, size: count(open())}
}

// digest returns the SHA-256 of the octets.
func (s stream) digest() [sha256.Size]byte {
	h := sha256.New()
	_, _ = io.Copy(h, s.open()) // neither fails
	return [sha256.Size]byte(h.Sum(nil))
}

// count returns the number of octets in r.
func count(r io.Reader) int64 {
	n, _ := io.Copy(io.Discard, r) // r does not fail
	return n
}

// base64Reader decodes the base64 in rest up to its padding, or all of its pieces if only such follow.
type base64Reader struct {
	rest           []byte
	digits         [4]byte // of the next octets
	have           int     // digits
	octets         [3]byte // decoded from them
	out            []byte  // the octets that were not returned yet
	isConcatenated bool    // several pieces were encoded one by one
	isURLSafe      bool    // the digits are those of base64url
	isDamaged      bool    // there is anything but base64; known at the end
}

// newBase64Reader returns a reader of base64, or of base64url (RFC 4648, section 5), which some programs
// write instead.
func newBase64Reader(raw []byte) *base64Reader {
	return &base64Reader{rest: raw, isURLSafe: isURLSafe(raw)}
}

// isURLSafe reports whether raw is base64url that cannot be anything else: it contains one of its own
// digits, but in no line only those, and nothing that is no digit. Its last line is no delimiter.
func isURLSafe(raw []byte) bool {
	if bytes.IndexByte(raw, '-') < 0 && bytes.IndexByte(raw, '_') < 0 {
		return false
	}
	lines := bytes.TrimRight(raw, "\r\n")
	if last := lines[bytes.LastIndexByte(lines, '\n')+1:]; bytes.HasPrefix(last, []byte("--")) {
		return false
	}
	own, common := 0, 0 // digits of the line
	for _, c := range raw {
		switch {
		case c == '-' || c == '_':
			own++
		case c == '\n' && own > 0 && common == 0, c == '+' || c == '/':
			return false
		case isBase64(c):
			common++
		case c == '\n':
			own, common = 0, 0
		case c != '=' && c != '\r' && c != ' ' && c != '\t':
			return false
		}
	}
	return own == 0 || common > 0
}

// Read implements io.Reader. It fills p while there is anything left.
func (r *base64Reader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(r.out) == 0 && r.have == 0 {
			n += r.run(p[n:])
		}
		if len(r.out) == 0 && !r.fill() {
			break
		}
		k := copy(p[n:], r.out)
		r.out = r.out[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// run decodes the digits at the start of the rest into p as long as they make three octets, and
// returns the number of octets.
func (r *base64Reader) run(p []byte) int {
	most := min(len(r.rest), len(p)/3*4)
	n := 0
	for n < most && isBase64(r.rest[n]) {
		n++
	}
	n &^= 3
	n, r.rest = decodeDigits(p, r.rest[:n]), r.rest[n:]
	return n
}

// fill decodes the next four digits, or the last of a piece. It reports whether there were any.
func (r *base64Reader) fill() bool {
	for len(r.rest) > 0 {
		c := r.rest[0]
		if c == '=' && r.endPiece() {
			return true
		}
		if len(r.rest) == 0 {
			break
		}
		r.rest = r.rest[1:]
		switch {
		case isBase64(c):
			r.add(c)
		case r.isURLSafe && c == '-':
			r.add('+')
			r.isDamaged = true
		case r.isURLSafe && c == '_':
			r.add('/')
			r.isDamaged = true
		case c != '\r' && c != '\n' && c != ' ' && c != '\t':
			r.isDamaged = true
		}
		if r.have == len(r.digits) {
			return r.flush()
		}
	}
	r.isDamaged = r.isDamaged || r.have == 1 // one digit is not an octet
	return r.flush()
}

func (r *base64Reader) add(digit byte) {
	r.digits[r.have] = digit
	r.have++
}

// endPiece ends a piece at its padding, and all if no other piece follows. It reports whether it
// made octets.
func (r *base64Reader) endPiece() bool {
	if !r.isConcatenated {
		after := bytes.TrimLeft(r.rest, "= \t\r\n")
		r.isConcatenated = len(after) > 0 && isWholeBase64(after)
		if !r.isConcatenated {
			r.isDamaged = r.isDamaged || len(after) > 0
			r.rest = nil
			return false
		}
	}
	r.isDamaged = true
	return r.flush()
}

// flush decodes the digits and reports whether they made octets.
func (r *base64Reader) flush() bool {
	r.out = r.octets[:decodeDigits(r.octets[:], r.digits[:r.have])]
	r.have = 0
	return len(r.out) > 0
}

// decodeDigits decodes base64 digits into p and returns the number of octets.
func decodeDigits(p, digits []byte) int {
	n, _ := base64.RawStdEncoding.Decode(p, digits)
	return n
}

// printableReader decodes quoted-printable (RFC 2045, section 6.7). An equals sign that encodes
// nothing is kept.
type printableReader struct {
	raw       []byte
	kind      printable
	pos, stop int  // of the rest of the current line in raw, still encoded
	end, next int  // of the rest of its line end; the next line starts behind it
	isDamaged bool // an equals sign was kept
}

// Read implements io.Reader. It fills p while there is anything left.
func (r *printableReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		switch {
		case r.pos < r.stop:
			n += r.decode(p[n:])
		case r.end < r.next:
			k := copy(p[n:], r.raw[r.end:r.next])
			r.end += k
			n += k
		case r.next < len(r.raw):
			r.nextLine()
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
	return n, nil
}

// decode decodes the rest of the line into p, as far as that goes, and returns the number of octets.
func (r *printableReader) decode(p []byte) (n int) {
	text := r.raw[r.pos:r.stop]
	for n < len(p) && len(text) > 0 {
		if text[0] != '=' {
			end := bytes.IndexByte(text, '=')
			if end < 0 {
				end = len(text)
			}
			end = copy(p[n:], text[:end])
			text = text[end:]
			n += end
			continue
		}
		c, ok := hexPair(text[1:])
		if ok {
			text = text[3:]
		} else {
			c, text = '=', text[1:]
			r.isDamaged = true
		}
		p[n] = c
		n++
	}
	r.pos = r.stop - len(text)
	return n
}

func (r *printableReader) nextLine() {
	line, _ := cutAfterLine(r.raw[r.next:])
	r.pos = r.next
	r.next += len(line)
	r.stop, r.end = r.next, r.next
	if r.kind == printableWord {
		return
	}
	text := trimBlank(line)
	isSoft := len(text) > 0 && text[len(text)-1] == '='
	switch {
	case isSoft:
		text = text[:len(text)-1]
	case r.kind == printableText:
		text = trimEncodedEnd(text)
	}
	r.stop = r.pos + len(text)
	if !isSoft {
		r.end = r.next - lineEnd(line)
	}
}

// trimBlank removes white space from the end of a line.
func trimBlank(line []byte) []byte {
	n := len(line)
	for n > 0 && (line[n-1] == '\n' || line[n-1] == '\r' || line[n-1] == ' ' || line[n-1] == '\t') {
		n--
	}
	return line[:n]
}

// lineEnd returns the length of the line end of a line: 2 for CRLF, 1 for LF, 0 if there is none.
func lineEnd(line []byte) int {
	n := len(line)
	switch {
	case n == 0 || line[n-1] != '\n':
		return 0
	case n > 1 && line[n-2] == '\r':
		return 2
	}
	return 1
}
