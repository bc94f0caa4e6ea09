package mimeconv

import (
	"slices"
	"strings"
	"unicode"
)

const (
	// maxID bounds a message id, in octets: RFC 5322, section 2.1.1, allows no
	// longer line.
	maxID = 998

	// maxIDs bounds the ids of a message. The longest threads are cut in the
	// middle: the root and the nearest ancestors are what threading needs.
	maxIDs   = 200
	firstIDs = 20
)

// parseIDs reads message ids from a field: what stands in innermost angle
// brackets, else tokens with an "@". RFC 5322, section 3.6.4, as loosely as
// programs write it; whatever else is there is no id, and no error.
func parseIDs(value string) []string {
	value = decodeWords(value, "")
	var ids []string
	open := -1
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '<':
			open = i
		case '>':
			if open >= 0 {
				ids = appendID(ids, value[open+1:i])
			}
			open = -1
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for _, token := range strings.FieldsFunc(value, isIDSpace) {
		if token = strings.Trim(token, `<>,;"'()`); strings.Contains(token, "@") {
			ids = appendID(ids, token)
		}
	}
	return ids
}

// appendID adds id if it is one.
func appendID(ids []string, id string) []string {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, isIDSpace) {
		return ids
	}
	return append(ids, id)
}

// isIDSpace reports whether r ends an id: white space and control characters.
func isIDSpace(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// boundIDs keeps at most maxIDs of the ids that a message cites, in the order in
// which they are cited: the first few and the last.
func boundIDs(inReplyTo, references []string) (_, _ []string) {
	over := len(inReplyTo) + len(references) - maxIDs
	if over <= 0 {
		return inReplyTo, references
	}
	first := min(len(inReplyTo), firstIDs)
	cut := min(over, len(inReplyTo)-first)
	inReplyTo = slices.Delete(inReplyTo, first, first+cut)
	over -= cut
	first = max(0, firstIDs-len(inReplyTo))
	return inReplyTo, slices.Delete(references, first, first+over)
}
