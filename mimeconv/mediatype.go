package mimeconv

import (
	"mime"
	"strconv"
	"strings"

	"heyrelay/mimeconv/charset"
)

// maxParameters bounds the parameters of a field. Real ones have a handful, long
// file names in sections (RFC 2231) some twenty.
const maxParameters = 100

// parseMedia reads a Content-Type or a Content-Disposition. It never fails: what
// RFC 2045, section 5.1, does not allow is read as a person would, and a field
// without any type gives "". Kind and parameter names are in lower case.
func parseMedia(value string) (kind string, params map[string]string) {
	if value == "" {
		return "", nil
	}
	// The standard library knows no charsets but UTF-8 in RFC 2231.
	if !strings.Contains(value, "*") && strings.Count(value, ";") <= maxParameters {
		if kind, params, err := mime.ParseMediaType(value); err == nil {
			return kind, params
		}
	}
	params = make(map[string]string)
	sections := make(map[string]*sections)
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
			addSection(sections, base, section, value)
			continue
		}
		params[name] = value
	}
	for name, s := range sections {
		params[name] = s.decode()
	}
	return kind, params
}

// sections are the sections of a parameter's value (RFC 2231, section 3).
type sections struct {
	charset string
	data    []byte
	next    int // the section to come
}

// addSection adds the section "0*", "1" or "" of a parameter. One that comes out
// of its turn is left out.
func addSection(all map[string]*sections, name, section, value string) {
	number, encoded := strings.CutSuffix(section, "*")
	n, err := strconv.Atoi(number)
	if section == "" {
		encoded = true
	} else if err != nil {
		return
	}
	s := all[name]
	if s == nil {
		s = new(sections)
		all[name] = s
	}
	if n != s.next {
		return
	}
	s.next++
	if !encoded {
		s.data = append(s.data, value...)
		return
	}
	if fields := strings.SplitN(value, "'", 3); n == 0 && len(fields) == 3 { // section 4
		s.charset, value = fields[0], fields[2]
	}
	s.data = appendPercent(s.data, value)
}

// decode makes the value of its sections.
func (s *sections) decode() string {
	text, _, _ := charset.Decode(s.data, s.charset, false)
	return text
}

// appendPercent appends what "%E4" and the like stand for.
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

// splitUnquoted splits s at semicolons that are not in quotes, into maxParameters
// at most. A quote that is never closed is no quote.
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
