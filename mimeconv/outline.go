package mimeconv

import (
	"bytes"
	"fmt"
	"strings"
)

// outline is the structure of a multipart body: its delimiter lines and the headers of its
// parts.
//
// enmime builds the tree of parts. It looks for delimiters anywhere in a line, so that text
// that quotes one would end its part. Therefore it never sees the message, only a skeleton:
// the delimiters with a number in place of each boundary, the Content-Type of each multipart,
// and in place of each leaf its number. Where all delimiters are as they should be, the tree needs
// no enmime (tree.go).
type outline struct {
	skeleton      []byte
	parts         []outlinePart // by number; the root is 0
	textInHeaders bool          // text was found in place of the header of a part
	isOdd         bool          // a multipart has no parts
}

// outlinePart is a part of the body.
type outlinePart struct {
	header  block
	parent  int    // number of the multipart that it is in
	content []byte // of a leaf, still encoded; aliases the body
	damage  string // what is wrong with the delimiters of a multipart, "" for nothing

	outside [][]byte // text of a multipart that is in none of its parts; aliases the body
}

// outliner is the state of newOutline.
type outliner struct {
	outline
	fence      *fence
	body       []byte
	open       []*openMultipart // outermost first
	leaf       int              // number of the current leaf, -1 if there is none
	start      int              // of the content of the current leaf
	multiparts int              // number of multiparts
	searches   int              // number of boundaries searched for
	isLenient  bool             // an open multipart has damaged delimiters
}

// openMultipart is a multipart that has not ended.
type openMultipart struct {
	number    int
	delimiter []byte // "--" and the boundary
	isLenient bool   // its delimiters are damaged
	start     int    // of its content
	hasBegun  bool   // a delimiter was found
	isClosed  bool   // the last delimiter was a closing one
	end       int    // of that delimiter
}

// newOutline reads the structure of the body of a multipart with that boundary. It returns nil
// if the body contains no delimiter of it.
func newOutline(f *fence, body []byte, boundary string) (*outline, error) {
	o := &outliner{fence: f, body: body, leaf: -1, outline: outline{parts: make([]outlinePart, 1)}}
	isMultipart, err := o.pushFound(0, boundary, 0)
	if err != nil || !isMultipart {
		return nil, err
	}
	for pos := o.candidate(0); pos < len(body); {
		line, next := cutLine(body, pos)
		level, isClosing := o.match(line)
		switch {
		case level < 0:
		case isClosing:
			o.endPart(level, pos)
			o.addOutside(o.open[level], pos)
			o.isOdd = o.isOdd || !o.open[level].hasBegun
			o.begin(o.open[level])
			o.open[level].isClosed = true
			o.open[level].end = next
		default:
			o.endPart(level, pos)
			o.addOutside(o.open[level], pos)
			next, err = o.beginPart(next)
			if err != nil {
				return nil, err
			}
		}
		pos = o.candidate(next)
	}
	o.endPart(-1, len(body))
	return &o.outline, nil
}

// candidate returns the start of the first line at or after pos, itself the start of a line,
// that may be a delimiter.
func (o *outliner) candidate(pos int) int {
	for pos < len(o.body) && !bytes.HasPrefix(o.body[pos:], []byte("--")) {
		if o.isLenient {
			line, next := cutLine(o.body, pos)
			if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("--")) {
				return pos
			}
			pos = next
			continue
		}
		i := bytes.Index(o.body[pos:], []byte("\n--"))
		if i < 0 {
			return len(o.body)
		}
		pos += i + 1
	}
	return pos
}

// match returns the index in o.open of the multipart that a line delimits, -1 if it delimits
// none. The delimiters of outer multiparts count within inner ones (RFC 2046, section 5.1.2).
func (o *outliner) match(line []byte) (level int, isClosing bool) {
	level = -1
	for i := len(o.open) - 1; i >= 0; i-- {
		m := o.open[i]
		isDelimiter, closes := matchDelimiter(line, m.delimiter)
		if m.isLenient {
			isDelimiter, closes = matchDamaged(line, m.delimiter)
		}
		if isDelimiter && (level < 0 || o.open[level].isClosed) { // two can have the same boundary
			level, isClosing = i, closes
		}
	}
	return level, isClosing
}

// matchDelimiter reports whether a line is a delimiter and whether it is a closing one. A
// delimiter starts a line, contains the whole boundary, and only white space follows it (RFC
// 2046, section 5.1.1).
func matchDelimiter(line, delimiter []byte) (isDelimiter, isClosing bool) {
	rest, ok := bytes.CutPrefix(line, delimiter)
	if !ok {
		return false, false
	}
	rest = bytes.TrimRight(rest, " \t\r")
	isClosing = string(rest) == "--"
	return isClosing || len(rest) == 0, isClosing
}

// matchDamaged is matchDelimiter for delimiters that are indented or have other text after
// them.
func matchDamaged(line, delimiter []byte) (isDelimiter, isClosing bool) {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(line, " \t"), delimiter)
	if !ok {
		return false, false
	}
	rest, isClosing = bytes.CutPrefix(rest, []byte("--"))
	if len(rest) > 0 && isBoundaryChar(rest[0]) { // the start of a longer boundary
		return false, false
	}
	return true, isClosing
}

// isBoundaryChar reports whether c, which is not a space, can be in a boundary (RFC 2046,
// section 5.1.1).
func isBoundaryChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("'()+_,-./:=?", c) >= 0
}

// findDelimiters reports whether text, which starts with a line, contains delimiters that open
// a part and such that close the multipart, up to the first that opens a part.
func findDelimiters(text, delimiter []byte, match func(line, delimiter []byte) (bool, bool)) (opens, closes bool) {
	for pos := 0; ; {
		i := bytes.Index(text[pos:], delimiter)
		if i < 0 {
			return false, closes
		}
		start := pos + bytes.LastIndexByte(text[pos:pos+i], '\n') + 1
		line, next := cutLine(text, start)
		isDelimiter, isClosing := match(line, delimiter)
		if isDelimiter && !isClosing {
			return true, closes
		}
		closes = closes || isClosing
		pos = next
	}
}

// push opens the multipart of that number, whose content starts at pos, if the rest of the body
// contains a delimiter of it. Damaged delimiters count if there is no other that opens a part.
func (o *outliner) push(number int, boundary string, pos int) (ok bool, err error) {
	boundary = strings.TrimRight(boundary, " \t")
	if boundary == "" || len(boundary) > maxBoundary {
		return false, nil
	}
	o.searches++
	if o.searches > maxMultipartsInAll {
		return false, errMultiparts()
	}
	m := &openMultipart{number: number, delimiter: []byte("--" + boundary), start: pos}
	rest := o.body[pos:]
	opens, closes := findDelimiters(rest, m.delimiter, matchDelimiter)
	if !opens {
		m.isLenient, _ = findDelimiters(rest, m.delimiter, matchDamaged)
	}
	switch {
	case m.isLenient:
		o.parts[number].damage = "delimiters are indented or followed by other text"
	case !opens && !closes:
		return false, nil
	}
	o.multiparts++
	o.fence.multiparts++
	if o.multiparts > maxMultiparts || o.fence.multiparts > maxMultipartsInAll {
		return false, errMultiparts()
	}
	o.open = append(o.open, m)
	o.isLenient = o.isLenient || m.isLenient
	return true, nil
}

func errMultiparts() *Error {
	return refuse(ErrTooComplex, "the message has more than %d multiparts", maxMultiparts)
}

// beginPart starts a part of the innermost open multipart after a delimiter line, and returns
// where its content starts.
func (o *outliner) beginPart(pos int) (int, error) {
	err := o.fence.addParts(1)
	if err != nil {
		return 0, err
	}
	m := o.open[len(o.open)-1]
	if m.isClosed {
		o.parts[m.number].damage = "parts follow the closing delimiter"
		m.isClosed = false
	}
	o.begin(m)
	o.printf("--%d\r\n", m.number)

	number := len(o.parts)
	header, content, err := o.readPartHeader(pos)
	if err != nil {
		return 0, err
	}
	o.parts = append(o.parts, outlinePart{header: header, parent: m.number})
	isOpen := false
	if header.isMultipart() {
		isOpen, err = o.pushFound(number, header.boundary(), content)
	}
	o.leaf, o.start = number, content
	if isOpen {
		o.leaf = -1
	}
	return content, err
}

// begin writes the header of a multipart at its first delimiter.
func (o *outliner) begin(m *openMultipart) {
	if !m.hasBegun {
		m.hasBegun = true
		o.printf("Content-Type: multipart/mixed; boundary=%d\r\n\r\n", m.number)
	}
}

// isMultipart reports whether a header is that of a multipart.
func (b *block) isMultipart() bool { return hasPrefixFold(b.get("content-type"), "multipart") }

// boundary returns the boundary of a multipart, "" for any other part.
func (b *block) boundary() string {
	if !b.isMultipart() {
		return ""
	}
	_, params := parseMedia(b.get("content-type"))
	return params["boundary"]
}

// endPart ends the current part before the line at pos, and all open multiparts above level. A
// multipart without delimiters is a leaf.
func (o *outliner) endPart(level, pos int) {
	if top := o.open[len(o.open)-1]; o.leaf < 0 && !top.hasBegun && len(o.open)-1 > level {
		o.open = o.open[:len(o.open)-1]
		o.leaf, o.start = top.number, top.start
		o.isOdd = true
	}
	if o.leaf >= 0 {
		o.parts[o.leaf].content = o.body[o.start:max(o.start, o.beforeLine(pos))]
		o.printf("\r\n%d\r\n", o.leaf)
		o.leaf = -1
	}
	for len(o.open)-1 > level {
		m := o.open[len(o.open)-1]
		o.open = o.open[:len(o.open)-1]
		o.printf("--%d--\r\n", m.number)
		o.addOutside(m, pos)
		if !m.isClosed && o.parts[m.number].damage == "" {
			o.parts[m.number].damage = "multipart without a closing delimiter"
		}
	}
}

// addOutside adds what a multipart has in no part before the line at pos, which is a delimiter of it
// or behind it.
func (o *outliner) addOutside(m *openMultipart, pos int) {
	start := m.start
	if m.hasBegun {
		start = m.end
	}
	if m.hasBegun && !m.isClosed || start >= pos {
		return
	}
	if text := o.body[start:pos]; len(bytes.TrimSpace(text)) > 0 {
		o.parts[m.number].outside = append(o.parts[m.number].outside, text)
	}
}

// beforeLine returns the end of the content before the line at pos: the line end before a
// delimiter belongs to the delimiter (RFC 2046, section 5.1.1).
func (o *outliner) beforeLine(pos int) int {
	if pos == len(o.body) {
		return pos
	}
	return len(bytes.TrimSuffix(bytes.TrimSuffix(o.body[:pos], []byte("\n")), []byte("\r")))
}

func (o *outliner) printf(format string, args ...any) {
	o.skeleton = fmt.Appendf(o.skeleton, format, args...)
}
