// Package threading decides who is addressed together, and under which keys
// their conversation is found.
//
// A reply through the API reaches all participants of a conversation, whoever
// they are. So a message may join one only if its recipients are exactly that
// conversation's participants, and everything here serves that rule: [Split]
// makes audiences out of an envelope, and a [Trail] gives each audience keys
// that hold the participants within them. Two messages can share a key only if
// they share a scope, an id and all participants.
//
// Nothing here fails and nothing here does I/O: it is all data.
package threading

import (
	"sort"
	"strings"

	"golang.org/x/net/idna"
)

// Audience is a set of recipients who see each other, and so share a request
// and a conversation.
type Audience struct {
	To, Cc  []string // as spelt in the envelope
	Blind   bool     // a recipient that no header names, alone
	Members string   // all of them in canonical form: equal for equal sets
}

// Split makes audiences out of the recipients of an envelope and of the
// addresses that the header's To and Cc name. The envelope is the authority,
// the header only assigns roles: what stands in to or cc alone is ignored, what
// stands in neither is blind. The visible audience comes first, then one for
// each blind recipient; equal addresses count once.
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
		visible.Members = members(visible.To, visible.Cc)
		all = append(all, visible)
	}
	for _, r := range blind {
		one := []string{r}
		all = append(all, Audience{To: one, Blind: true, Members: members(one)})
	}
	return all
}

// Intersects reports whether any address of a is one of b.
func Intersects(a, b []string) bool {
	in := set(b)
	for _, s := range a {
		if in[Canonical(s)] {
			return true
		}
	}
	return false
}

// Without returns those of rcpt that are not own, or rcpt itself where nobody
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

// Canonical is the form in which addresses are compared: lower case, an
// internationalised domain in A-labels (RFC 5890).
func Canonical(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	local, domain := strings.ToLower(addr[:at+1]), addr[at+1:]
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return local + ascii
	}
	return local + strings.ToLower(domain)
}

func set(addrs []string) map[string]bool {
	m := make(map[string]bool, len(addrs))
	for _, a := range addrs {
		m[Canonical(a)] = true
	}
	return m
}

// unique keeps the first spelling of each address.
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

// members joins canonical addresses in order; they hold no white space.
func members(lists ...[]string) string {
	var all []string
	for _, l := range lists {
		for _, a := range l {
			all = append(all, Canonical(a))
		}
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}
