package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// ShadowRoute returns the route on which a transaction is passed on, as far as MAIL
// decides it. That is before the header is known: a route with match.from may be used,
// and those after it as well. A valid configuration has the same shadow on all of them.
func (c *Config) ShadowRoute(user string, client netip.Addr, sender string) (r *Route, ok bool) {
	for i := range c.Routes {
		r := &c.Routes[i]
		match := r.Match
		match.From = nil
		if !match.Matches(user, client, sender, "") {
			continue
		}
		if r.Shadow.Next != "" || r.Match.From == nil {
			return r, r.Shadow.Next != ""
		}
	}
	return nil, false
}

// validateShadowMatch checks that a route with match.from has the shadow of each later
// route that may be used in its place: which one is used depends on the header, and
// replies to MAIL and RCPT are given before that.
func (l *loader) validateShadowMatch(path string, i int) {
	r := l.config.Routes[i]
	if r.Match.From == nil {
		return
	}
	for _, later := range l.config.Routes[i+1:] {
		if later.Shadow.equal(r.Shadow) || r.Match.excludes(later.Match) {
			continue
		}
		l.doc.Reject(path, fmt.Sprintf("routes %s and %s differ in shadow, and only match.from decides which is used",
			r.Name, later.Name), "give both the same shadow, or select them by match.user or match.client: "+
			"the old server replies to recipients before the From field is known")
	}
}

// excludes reports whether no transaction matches both, as users and clients show.
func (m Match) excludes(o Match) bool {
	shares := func(user string) bool { return slices.Contains(o.User, user) }
	if m.User != nil && o.User != nil && !slices.ContainsFunc(m.User, shares) {
		return true
	}
	overlaps := func(n Network) bool {
		return slices.ContainsFunc(o.Client, func(other Network) bool { return n.prefix.Overlaps(other.prefix) })
	}
	return m.Client != nil && o.Client != nil && !slices.ContainsFunc(m.Client, overlaps)
}
