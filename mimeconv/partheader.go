package mimeconv

import "bytes"

// readPartHeader reads the header of the part at pos and returns where its content starts. The
// header ends at an empty line (RFC 2046, section 5.1.1), at a delimiter, or before text that
// is not a header field.
func (o *outliner) readPartHeader(pos int) (header block, content int, err error) {
	end, content := o.headerEnd(pos)
	switch size := end - pos; {
	case size > maxHeader:
		return block{}, 0, refuse(ErrTooComplex, "the header of a part is larger than %d octets", maxHeader)
	case o.fence.headers+size > maxHeaders:
		return block{}, 0, refuse(ErrTooComplex,
			"the headers of all parts together are larger than %d octets", maxHeaders)
	}
	o.fence.headers += end - pos
	header.guesses = &o.fence.guesses
	header.addFields(o.body[pos:end])
	header.chooseType(o.body[content:])
	return header, content, header.checkMedia()
}

// headerEnd returns where the header at pos ends and where the content after it starts. A
// header that is too large ends soon after maxHeader.
func (o *outliner) headerEnd(pos int) (end, content int) {
	h := partHeader{start: pos, blank: -1, tail: headerTail{isEnd: o.isDelimiter}}
	for pos < len(o.body) && pos-h.start <= maxHeader {
		line, next := cutLine(o.body, pos)
		name := fieldName(line)
		switch {
		case len(line) == 0:
			return o.endHeader(&h, pos, next)
		case o.isDelimiter(line):
			return o.endHeader(&h, pos, pos)
		case isSpace(line):
			if h.blank < 0 {
				h.blank, h.afterBlank = pos, next
			}
		case isFolded(line):
			if !h.hasFields {
				return o.textAt(pos)
			}
		case h.blank >= 0 && h.tail.isTextAfterBlank(o.body, h.afterBlank, pos, name != ""):
			return o.endHeader(&h, h.blank, h.afterBlank)
		case name != "":
			h.blank, h.hasFields = -1, true
			h.isKnown = h.isKnown || isKnownField(name) || isMIMEField(name)
		case !h.isOpen && h.tail.isText(o.body, pos): // not a line that lacks its indent
			return o.textAt(pos)
		}
		h.isOpen = bytes.HasSuffix(line, []byte(";"))
		pos = next
	}
	if h.blank >= 0 {
		return o.endHeader(&h, h.blank, h.afterBlank)
	}
	return o.endHeader(&h, pos, pos)
}

// partHeader is the state of headerEnd.
type partHeader struct {
	start             int
	blank, afterBlank int  // a line of white space that may end the header, -1 for none
	hasFields         bool // there are fields
	isKnown           bool // of which one is well-known
	isOpen            bool // the last line ends with a semicolon
	tail              headerTail
}

// endHeader returns the end of a header and the start of the content after it. Fields of which
// none is known are text, such as "Note: this is meant to be read."
func (o *outliner) endHeader(h *partHeader, end, content int) (int, int) {
	if h.hasFields && !h.isKnown {
		return o.textAt(h.start)
	}
	return end, content
}

// textAt ends a header where text stands in place of it.
func (o *outliner) textAt(pos int) (end, content int) {
	o.textInHeaders = true
	return pos, pos
}

func (o *outliner) isDelimiter(line []byte) bool {
	level, _ := o.match(line)
	return level >= 0
}

// checkMedia fails if a field is too long to be parsed in reasonable time.
func (b *block) checkMedia() error {
	for _, name := range []string{"content-type", "content-disposition"} {
		if len(b.get(name)) > maxMediaField {
			return refuse(ErrTooComplex, "field %s is longer than %d octets", name, maxMediaField)
		}
	}
	return nil
}
