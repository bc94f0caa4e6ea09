package config

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// Pattern is a mail address in which each * matches any text, or "<>" for the null
// reverse-path (RFC 5321, section 4.5.5). Letter case is ignored.
type Pattern struct{ text string }

// UnmarshalText reads a Pattern. Its error explains how to write one.
func (p *Pattern) UnmarshalText(text []byte) error {
	s := string(text)
	if domain, ok := strings.CutPrefix(s, "@"); ok {
		return errors.New("write *@" + domain + " for every address of that domain")
	}
	address := strings.Contains(s, "@") || strings.Contains(s, "*") || s == "<>"
	if !address || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return errors.New("write an address, such as alice@example.com, or a pattern, such as *@example.com")
	}
	p.text = s
	return nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether p matches address, which has no angle brackets; "" is the
// null reverse-path.
func (p Pattern) Match(address string) bool {
	if p.text == "<>" {
		return address == ""
	}
	pieces := strings.Split(strings.ToLower(p.text), "*")
	first, last := pieces[0], pieces[len(pieces)-1]
	address, ok := strings.CutPrefix(strings.ToLower(address), first)
	if len(pieces) == 1 || !ok {
		return ok && address == ""
	}
	address, ok = strings.CutSuffix(address, last)
	if !ok {
		return false
	}
	for _, piece := range pieces[1 : len(pieces)-1] {
		_, address, ok = strings.Cut(address, piece)
		if !ok {
			return false
		}
	}
	return true
}

// Patterns is a list of patterns.
type Patterns []Pattern

// Match reports whether one of the patterns matches address.
func (ps Patterns) Match(address string) bool {
	return slices.ContainsFunc(ps, func(p Pattern) bool { return p.Match(address) })
}

// Regexp is a regular expression with exactly one group. The zero Regexp embeds
// nil.
type Regexp struct{ *regexp.Regexp }

// UnmarshalText reads a Regexp. Its error explains how to write one.
func (r *Regexp) UnmarshalText(text []byte) error {
	compiled, err := regexp.Compile(string(text))
	var bad *syntax.Error
	switch {
	case errors.As(err, &bad):
		return errors.New("write a regular expression (RE2); this one is invalid: " + bad.Code.String())
	case compiled.NumSubexp() != 1:
		return errors.New(`write exactly one group, as in \[#(\d+)\]; (?: ) does not count`)
	}
	r.Regexp = compiled
	return nil
}

// MarshalText returns String.
func (r Regexp) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the expression as it was written, "" for the zero Regexp.
func (r Regexp) String() string {
	if r.Regexp == nil {
		return ""
	}
	return r.Regexp.String()
}
