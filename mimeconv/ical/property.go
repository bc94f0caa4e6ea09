package ical

import (
	"strings"
	"unicode"
)

// maxParams bounds the parameters of a property. Real properties have a handful.
const maxParams = 100

// unfolded iterates over the unfolded content lines of a calendar (RFC 5545, section 3.1).
func unfolded(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var b strings.Builder
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				b.WriteString(line[1:])
				continue
			}
			if b.Len() > 0 && !yield(b.String()) {
				return
			}
			b.Reset()
			b.WriteString(line)
		}
		if b.Len() > 0 {
			yield(b.String())
		}
	}
}

// property is a content line. Its name and the names of its parameters are in upper case.
type property struct {
	name, value string
	params      map[string]string
}

// readProperty parses NAME;PARAM=VALUE;PARAM="VALUE":value.
func readProperty(line string) property {
	end := -1
	quoted := false
	for i := 0; i < len(line) && end < 0; i++ {
		switch line[i] {
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				end = i
			}
		}
	}
	if end < 0 { // an unclosed quote is an ordinary character
		end = strings.IndexByte(line, ':')
	}
	if end < 0 {
		return property{}
	}
	p := property{value: strings.TrimSpace(line[end+1:])}
	for i, param := range splitParams(line[:end]) {
		name, value, _ := strings.Cut(param, "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		if i == 0 {
			p.name = name
			continue
		}
		if p.params == nil {
			p.params = make(map[string]string)
		}
		p.params[name] = strings.Trim(value, `"`)
	}
	return p
}

// text returns the value of a text property without escapes (RFC 5545, section 3.3.11).
func (p property) text() string {
	r := strings.NewReplacer(`\\`, `\`, `\;`, ";", `\,`, ",", `\n`, "\n", `\N`, "\n")
	return r.Replace(p.value)
}

// person formats a calendar user: "Bob <bob@example.com>".
func (p property) person() string {
	addr := p.value
	if scheme, rest, ok := strings.Cut(addr, ":"); ok && strings.EqualFold(scheme, "mailto") {
		addr = rest
	}
	name := oneLine(p.params["CN"])
	switch {
	case name == "" || strings.EqualFold(name, addr):
		return oneLine(addr)
	case !strings.Contains(addr, "@"):
		return name
	}
	return name + " <" + oneLine(addr) + ">"
}

// splitParams splits the part of a content line before the colon at semicolons outside
// quotes, into at most maxParams parts. An unclosed quote is an ordinary character.
func splitParams(s string) []string {
	var params []string
	start, quoted := 0, false
	lastQuote := strings.LastIndexByte(s, '"')
	for i := 0; i < len(s) && len(params) < maxParams; i++ {
		switch {
		case s[i] == '"' && (quoted || i < lastQuote):
			quoted = !quoted
		case s[i] == ';' && !quoted:
			params = append(params, s[start:i])
			start = i + 1
		}
	}
	return append(params, s[start:])
}

// oneLine replaces white space and control characters by single spaces.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == '\u2028' || r == '\u2029' || unicode.IsControl(r)
	}), " ")
}

// cut truncates s to limit runes, of which the last is an ellipsis.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}
