// Package threading groups the recipients of a message and computes the keys under
// which their conversations are looked up.
//
// A reply sent through the API reaches every participant of a conversation. A message
// may therefore join a conversation only if its recipients are exactly the
// participants. [Split] groups recipients into audiences, and [ThreadHeaders.Keys]
// computes the keys of each audience, which include its participants. Two messages
// can share a key only if they share a scope, an id and all participants.
//
// The package is pure: no I/O and no errors.
package threading

import (
	"sort"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Audience is a set of recipients who see each other and therefore share one request
// and one conversation.
type Audience struct {
	To, Cc       []string // as spelled in the envelope
	Blind        bool     // a single recipient that no header field names
	Participants string   // all recipients in canonical form; equal for equal sets
}

// Split groups the recipients of an envelope into audiences. The envelope decides who
// is a recipient; the header addresses to and cc only assign roles. An address in to
// or cc that is not in rcpt is ignored; a recipient in neither is blind. The visible
// audience comes first, then one audience for each blind recipient. Duplicate
// addresses count once.
func Split(rcpt, to, cc []string) []Audience {
	isTo, isCc := set(to), set(cc)
	var visible Audience
	var blind []string
	for _, r := range unique(rcpt) {
		switch c := Canonical(r); {
		case isTo[c]:
			visible.To = append(visible.To, r)
		case isCc[c]:
			visible.Cc = append(visible.Cc, r)
		default:
			blind = append(blind, r)
		}
	}
	if visible.To == nil { // the API wants a to:
		visible.To, visible.Cc = visible.Cc, nil
	}
	var all []Audience
	if visible.To != nil {
		visible.Participants = participants(visible.To, visible.Cc)
		all = append(all, visible)
	}
	for _, r := range blind {
		one := []string{r}
		all = append(all, Audience{To: one, Blind: true, Participants: participants(one)})
	}
	return all
}

// Intersects reports whether a and b have an address in common.
func Intersects(a, b []string) bool {
	in := set(b)
	for _, s := range a {
		if in[Canonical(s)] {
			return true
		}
	}
	return false
}

// Without returns the addresses of rcpt that are not own, or rcpt itself if none
// would remain.
func Without(rcpt []string, own func(addr string) bool) []string {
	var others []string
	for _, r := range rcpt {
		if !own(r) {
			others = append(others, r)
		}
	}
	if others == nil {
		return rcpt
	}
	return others
}

// maxDomain bounds a domain that is converted to A-labels, in bytes: with U-labels it has four times as
// many at most as with A-labels, of which 255 are allowed (RFC 1035, section 2.3.4). To convert a label
// costs its square.
const maxDomain = 1020

// Canonical returns the form in which addresses are compared: in lower case, with an
// internationalized domain in A-labels (RFC 5890).
func Canonical(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	local, domain := strings.ToLower(addr[:at+1]), addr[at+1:]
	if len(domain) > maxDomain || isPlain(domain) {
		return local + strings.ToLower(domain)
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return local + ascii
	}
	return local + strings.ToLower(domain)
}

// isPlain reports whether a domain is its own form in A-labels but for its case: nearly always, and
// much faster to see than to convert.
func isPlain(domain string) bool {
	isForeign := func(r rune) bool { return r > unicode.MaxASCII }
	return !strings.Contains(domain, "--") && !strings.ContainsFunc(domain, isForeign)
}

func set(addrs []string) map[string]bool {
	m := make(map[string]bool, len(addrs))
	for _, a := range addrs {
		m[Canonical(a)] = true
	}
	return m
}

// unique removes duplicate addresses and keeps the first spelling of each.
func unique(addrs []string) []string {
	seen := make(map[string]bool, len(addrs))
	var first []string
	for _, a := range addrs {
		if c := Canonical(a); !seen[c] {
			seen[c] = true
			first = append(first, a)
		}
	}
	return first
}

// participants joins the canonical addresses in sorted order. They contain no spaces.
func participants(lists ...[]string) string {
	var all []string
	for _, l := range lists {
		for _, a := range l {
			all = append(all, Canonical(a))
		}
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}
