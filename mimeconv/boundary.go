package mimeconv

import (
	"bytes"
	"strings"
)

// pushFound is push for a boundary that may be wrong: if it occurs nowhere, the delimiters that
// are there count.
func (o *outliner) pushFound(number int, boundary string, pos int) (ok bool, err error) {
	ok, err = o.push(number, boundary, pos)
	if ok || err != nil {
		return ok, err
	}
	found := o.findBoundary(pos)
	if found == "" {
		return false, nil
	}
	ok, err = o.push(number, found, pos)
	if ok {
		o.parts[number].damage = "delimiters with another boundary than declared"
	}
	return ok, err
}

// findBoundary returns the boundary of the first line that looks like a delimiter because a MIME
// field follows it. It searches up to a delimiter of an open multipart.
func (o *outliner) findBoundary(pos int) string {
	for pos = o.candidate(pos); pos < len(o.body); {
		line, next := cutLine(o.body, pos)
		if o.isDelimiter(line) {
			return ""
		}
		boundary := bytes.Trim(bytes.TrimPrefix(line, []byte("--")), " \t")
		if following, _ := cutLine(o.body, next); len(boundary) > 0 && isContentField(following) {
			return string(boundary)
		}
		pos = o.candidate(next)
	}
	return ""
}

// isContentField reports whether a line starts one of the fields that headers of parts have.
func isContentField(line []byte) bool {
	return strings.HasPrefix(fieldName(line), "content-")
}
