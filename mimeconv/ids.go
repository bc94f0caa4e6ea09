package mimeconv

import (
	"slices"
	"strings"
	"unicode"
)

const (
	// maxID bounds a message id, in octets: the longest line (RFC 5322, section 2.1.1).
	maxID = 998

	// maxIDs bounds the ids of a message, of which the first firstIDs are kept. The longest
	// threads are cut in the middle: threading needs the root and the nearest ancestors.
	maxIDs   = 200
	firstIDs = 20
)

// parseIDs returns the message ids in a field (RFC 5322, section 3.6.4): the contents of
// innermost angle brackets, else the words that contain "@". Anything else is ignored.
func parseIDs(g *guesses, value string) []string {
	if value == "" {
		return nil
	}
	value = decodeWords(g, cutIDs(value), "")
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
		token = strings.Trim(token, `<>,;"'()`)
		if strings.Contains(token, "@") {
			ids = appendID(ids, token)
		}
	}
	return ids
}

// cutIDs returns the start and the end of a field that is much longer than maxIDs ids.
func cutIDs(value string) string {
	const first, last = 8 << 10, 56 << 10
	if len(value) <= first+last {
		return value
	}
	return value[:first] + " " + value[len(value)-last:]
}

// appendID appends id if it is valid.
func appendID(ids []string, id string) []string {
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, isIDSpace) {
		return ids
	}
	return append(ids, id)
}

// isIDSpace reports whether r ends an id: white space and control characters.
func isIDSpace(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// boundIDs returns at most maxIDs of the cited ids, in their order: the first few and the
// last.
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
