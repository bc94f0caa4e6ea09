package mimeconv

import (
	"mime"
	"strings"
)

// parseMedia reads a Content-Type or a Content-Disposition. It never fails: what
// RFC 2045, section 5.1, does not allow is read as a person would, and a field
// without any type gives "". Kind and parameter names are in lower case.
func parseMedia(value string) (kind string, params map[string]string) {
	if kind, params, err := mime.ParseMediaType(value); err == nil {
		return kind, params
	}
	params = make(map[string]string)
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
		params[name] = unquote(strings.Trim(value, " \t"))
	}
	return kind, params
}

// cutKind cuts the type, "text/plain" or "attachment", off its field. What
// follows without a semicolon may be a parameter.
func cutKind(s string) (kind, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"[]?=`, r)
	})
	switch {
	case end < 0:
		return strings.ToLower(s), ""
	case s[end] == '=': // the type is missing
		return "", s
	}
	return strings.ToLower(s[:end]), strings.TrimLeft(s[end:], " \t,:")
}

// splitUnquoted splits s at semicolons that are not in quotes. A quote that is
// never closed is no quote.
func splitUnquoted(s string) []string {
	var parts []string
	start, quoted := 0, false
	lastQuote := strings.LastIndexByte(s, '"')
	for i := 0; i < len(s); i++ {
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

// unquote takes the quotes of RFC 5322, section 3.2.4, off s, where there are any.
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

// isMultipart reports whether kind is a type of RFC 2046, section 5.1.
func isMultipart(kind string) bool { return strings.HasPrefix(kind, "multipart/") }
