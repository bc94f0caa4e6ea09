package mimeconv

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"heyrelay/mimeconv/charset"
)

// maxSample is how much of a body is inspected to read its header, in octets.
const maxSample = 16 << 10

// chooseType keeps one of several Content-Type fields: that of a multipart whose delimiters the
// body has, or of HTML if the body looks like it, else the first that is no multipart.
func (b *block) chooseType(body []byte) {
	const name = "content-type"
	isType := func(f field) bool { return f.name == name }
	first := slices.IndexFunc(b.fields, isType)
	if first < 0 || !slices.ContainsFunc(b.fields[first+1:], isType) {
		return
	}
	best, bestRank, count := "", -1, 0
	for _, f := range b.fields {
		if !isType(f) {
			continue
		}
		count++
		if rank := typeRank(f.value, body); count <= maxTypes && rank > bestRank {
			best, bestRank = f.value, rank
		}
	}
	b.fields = slices.DeleteFunc(b.fields, isType)
	b.fields = append(b.fields, field{name: name, value: best})
}

// maxTypes bounds the Content-Type fields of a header that are compared.
const maxTypes = 4

// typeRank reports how well a Content-Type fits a body.
func typeRank(value string, body []byte) int {
	if len(value) > maxMediaField {
		return 4 // refused elsewhere
	}
	body = body[:min(len(body), maxSample)]
	kind, params := parseMedia(value)
	switch {
	case isMultipart(kind):
		if boundary := params["boundary"]; boundary != "" && bytes.Contains(body, []byte("--"+boundary)) {
			return 3
		}
		return 0
	case kind == "text/html" && bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		return 2
	case strings.Contains(kind, "/"):
		return 1
	}
	return 0
}

// hasRaw reports whether a field contains text that is neither ASCII nor UTF-8.
func (b *block) hasRaw() bool {
	return slices.ContainsFunc(b.fields, func(f field) bool { return !utf8.ValidString(f.value) })
}

// bodyCharset returns the charset in which a body is read, which is then that of raw text in the
// header.
func (b *block) bodyCharset(body []byte) string {
	p := newPart("", b, "text/plain")
	sample := body[:min(len(body), maxSample)]
	declared := p.params["charset"]
	if isMultipart(p.kind) {
		if declared == "" {
			declared = firstCharset(string(sample))
		}
	} else {
		sample, _ = decodeTransfer(sample, p.encoding)
	}
	_, used, how := b.guesses.decode(sample, declared, p.kind == "text/html")
	if how == charset.Declared || used == "utf-8" {
		return declared
	}
	return used
}

// firstCharset returns the first charset that a part of a multipart declares, "" for none.
func firstCharset(body string) string {
	const name = "charset="
	i := charset.IndexFold(body, name)
	if i < 0 {
		return ""
	}
	value := strings.TrimLeft(body[i+len(name):], "\"' ")
	if end := strings.IndexAny(value, "\"';> \t\r\n"); end >= 0 {
		value = value[:end]
	}
	return value
}
