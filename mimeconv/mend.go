package mimeconv

import (
	"bytes"
	"slices"
	"strings"
)

// headerGap finds where the empty line is missing that ends the header of a part
// (RFC 2046, section 5.1.1): before words that are no field. part begins behind
// the delimiter. -1 is a header that needs no mending, or no delimiter at all.
func headerGap(part []byte, delimiter string) int {
	line, pos := cutLine(part, 0)
	if len(bytes.Trim(line, " \t")) > 0 {
		return -1
	}
	start, fields, known, open := pos, 0, false, false
	lastKnown := -2 // not looked for yet
	for pos < len(part) {
		line, next := cutLine(part, pos)
		name := fieldName(line)
		switch {
		case len(line) == 0 || bytes.HasPrefix(line, []byte(delimiter)):
			if fields > 0 && !known {
				return start // "Note: this was meant to be read."
			}
			return -1
		case line[0] == ' ' || line[0] == '\t':
			if fields == 0 {
				return pos
			}
		case name != "":
			fields++
			known = known || isKnownField(name) || strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "x-")
		case !open:
			if lastKnown == -2 {
				lastKnown = lastKnownField(part, pos)
			}
			if pos > lastKnown {
				return pos // not a line that somebody forgot to indent
			}
		}
		open = bytes.HasSuffix(line, []byte(";"))
		pos = next
	}
	return -1
}

// mend inserts an empty line into body at each of the offsets, which rise.
func mend(body []byte, gaps []int) []byte {
	mended := make([]byte, 0, len(body)+2*len(gaps))
	pos := 0
	for _, gap := range gaps {
		mended = append(append(mended, body[pos:gap]...), "\r\n"...)
		pos = gap
	}
	return slices.Concat(mended, body[pos:])
}
