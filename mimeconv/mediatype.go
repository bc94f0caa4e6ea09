package mimeconv

import (
	"cmp"
	"mime"
	"slices"
	"strconv"
	"strings"

	"heyrelay/mimeconv/charset"
)

// maxParameters bounds the parameters of a field. Real fields have a handful; long file names
// in sections (RFC 2231) need about twenty.
const maxParameters = 100

// parseMedia parses a Content-Type or Content-Disposition field (RFC 2045, section 5.1). It
// never fails: invalid syntax is read as a person would read it, and kind is "" if the field
// has no type. kind and the parameter names are in lower case.
func parseMedia(value string) (kind string, params map[string]string) {
	if value == "" {
		return "", nil
	}
	// In RFC 2231 parameters, the standard library supports UTF-8 only.
	if !strings.Contains(value, "*") && strings.Count(value, ";") <= maxParameters {
		if kind, params, err := mime.ParseMediaType(value); err == nil {
			return kind, params
		}
	}
	params = make(map[string]string)
	sections := make(map[string][]valueSection)
	for i, part := range splitUnquoted(value) {
		part = strings.Trim(part, " \t")
		if i == 0 {
			kind, part = cutKind(part)
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(strings.Trim(name, " \t"))
		if _, again := params[name]; !ok || again || name == "" || strings.ContainsAny(name, " \t\"") {
			continue
		}
		value = unquote(strings.Trim(value, " \t"))
		if base, section, ok := strings.Cut(name, "*"); ok && base != "" {
			if s, ok := newSection(section, value); ok {
				sections[base] = append(sections[base], s)
			}
			continue
		}
		params[name] = value
	}
	for name, all := range sections {
		params[name] = joinSections(all)
	}
	return kind, params
}

// valueSection is a section of a parameter value (RFC 2231, section 3).
type valueSection struct {
	number    int
	isEncoded bool
	text      string
}

// newSection reads the section "0*", "1" or "" of a parameter. ok is false for any other.
func newSection(name, text string) (s valueSection, ok bool) {
	if name == "" {
		return valueSection{0, true, text}, true
	}
	number, isEncoded := strings.CutSuffix(name, "*")
	n, err := strconv.Atoi(number)
	return valueSection{n, isEncoded, text}, err == nil
}

// joinSections returns the value of sections, which can be in any order, up to a number that is missing.
// Of those with the same number the first counts.
func joinSections(all []valueSection) string {
	slices.SortStableFunc(all, func(a, b valueSection) int { return cmp.Compare(a.number, b.number) })
	all = slices.CompactFunc(all, func(a, b valueSection) bool { return a.number == b.number })
	var data []byte
	label := ""
	for i, s := range all {
		if s.number != all[0].number+i {
			break
		}
		if !s.isEncoded {
			data = append(data, s.text...)
			continue
		}
		if fields := strings.SplitN(s.text, "'", 3); i == 0 && len(fields) == 3 { // section 4
			label, s.text = fields[0], fields[2]
		}
		data = appendPercent(data, s.text)
	}
	text, _, _ := charset.DecodeFast(data, label, false)
	return string(text)
}

// appendPercent appends value with its percent-encoding decoded.
func appendPercent(data []byte, value string) []byte {
	for i := 0; i < len(value); i++ {
		if c, ok := hexPair(value[i+1:]); ok && value[i] == '%' {
			data = append(data, c)
			i += 2
			continue
		}
		data = append(data, value[i])
	}
	return data
}

// cutKind splits a field after its type, "text/plain" or "attachment". The rest may be a
// parameter that lacks its semicolon.
func cutKind(s string) (kind, rest string) {
	s = strings.TrimLeft(s, `"' `)
	end := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"[]?=`, r)
	})
	switch {
	case end < 0:
		return strings.ToLower(s), ""
	case s[end] == '=': // the type is missing
		return "", s
	}
	return strings.ToLower(s[:end]), strings.TrimLeft(s[end:], "\"' \t,:")
}

// splitUnquoted splits s at semicolons outside quotes, into at most maxParameters parts. An
// unclosed quote is an ordinary character.
func splitUnquoted(s string) []string {
	var parts []string
	start, quoted := 0, false
	lastQuote := strings.LastIndexByte(s, '"')
	for i := 0; i < len(s) && len(parts) < maxParameters; i++ {
		switch {
		case s[i] == '"' && (quoted || i < lastQuote):
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ';' && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// unquote returns the content of a quoted string (RFC 5322, section 3.2.4), else s.
func unquote(s string) string {
	rest, ok := strings.CutPrefix(s, `"`)
	if !ok {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(rest) && rest[i] != '"'; i++ {
		if rest[i] == '\\' && i+1 < len(rest) {
			i++
		}
		b.WriteByte(rest[i])
	}
	return b.String()
}

// isMultipart reports whether kind is a multipart type (RFC 2046, section 5.1).
func isMultipart(kind string) bool { return strings.HasPrefix(kind, "multipart/") }
