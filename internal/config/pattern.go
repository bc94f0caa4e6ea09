package config

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Pattern is a mail address in which each * matches any text, or "<>" for the null
// reverse-path (RFC 5321, section 4.5.5). Letter case is ignored, and so is whether an
// internationalized domain is in A-labels or in U-labels (RFC 5890).
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
func (p Pattern) Match(address string) bool { return Patterns{p}.Match(address) }

// matches is Match for an address in lower case, in one form of its domain.
func (p Pattern) matches(address string) bool {
	if p.text == "<>" {
		return address == ""
	}
	pieces := strings.Split(canonical(p.text), "*")
	first, last := pieces[0], pieces[len(pieces)-1]
	address, ok := strings.CutPrefix(address, first)
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

// canonical returns the form in which addresses and patterns are compared: in lower case, with a
// domain in U-labels, in which a * can stand for a part of a label.
func canonical(address string) string {
	lower := strings.ToLower(address)
	domain := strings.LastIndexByte(lower, '@') + 1 // a pattern without @ may end in a domain
	if isPlain(lower[domain:]) {
		return lower
	}
	labels := strings.Split(lower[domain:], ".")
	for i, label := range labels {
		if len(label) > maxLabel {
			continue
		}
		if u, err := idna.Lookup.ToUnicode(label); err == nil {
			labels[i] = u
		}
	}
	return lower[:domain] + strings.Join(labels, ".")
}

// maxLabel bounds a label that is converted, in bytes: in U-labels it has four times as many at most
// as in A-labels, of which 63 are allowed (RFC 1035, section 2.3.4). To convert it costs its square.
const maxLabel = 252

// isPlain reports whether a domain in lower case is its own canonical form: nearly always, and much
// faster to see than to convert.
func isPlain(domain string) bool {
	isForeign := func(r rune) bool { return r > unicode.MaxASCII }
	return !strings.Contains(domain, "--") && !strings.ContainsFunc(domain, isForeign)
}

// Patterns is a list of patterns.
type Patterns []Pattern

// Match reports whether one of the patterns matches address.
func (ps Patterns) Match(address string) bool {
	if len(ps) == 0 {
		return false
	}
	written := strings.ToLower(address) // for a * within an A-label
	inULabels := canonical(address)
	return slices.ContainsFunc(ps, func(p Pattern) bool {
		return p.matches(inULabels) || written != inULabels && p.matches(written)
	})
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
