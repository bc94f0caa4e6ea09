package config

import (
	"fmt"
	"net/netip"
	"slices"

	"heyrelay/internal/strictyaml"
)

// Shadow is the mail server to which a route passes its mail on, to compare before a
// change. It is in use if there is a Next.
type Shadow struct {
	// The present mail server: smtp://host:port, with STARTTLS if the server offers it,
	// or smtps://host:port, with TLS from the start. Clients get its replies. Nothing is
	// sent to Heymarket; "heyrelay queue list --state shadowed" lists what would be.
	Next string `yaml:"next" example:"smtp://old-relay.example.com:25"`

	// The user name, if the server requires a login. It is sent over TLS only, unless the
	// server is on this machine.
	User string `yaml:"user" example:"heyrelay"`

	// The user's password.
	Password strictyaml.Secret `yaml:"password" example:"/run/secrets/old_relay_password"`
}

// Server returns the next hop's host:port, and whether the connection is encrypted from
// the start. ok is false if Next is not the address of a server.
func (s Shadow) Server() (address string, implicit, ok bool) { return mailServer(s.Next) }

// ShadowRoute returns the route on which a transaction is passed on, as far as MAIL
// decides it. That is before the header is known: a route with match.from may be used,
// and those after it as well. A valid configuration has the same shadow on all of them.
func (c *Config) ShadowRoute(user string, client netip.Addr, sender string) (r Route, ok bool) {
	for _, r := range c.Routes {
		from := r.Match.From
		r.Match.From = nil
		if !r.Match.Matches(user, client, sender, "") {
			continue
		}
		if r.Shadow.Next != "" || from == nil {
			return r, r.Shadow.Next != ""
		}
	}
	return Route{}, false
}

// validateShadow checks the next hop of a route, and that MAIL decides whether a
// transaction is passed on.
func (l *loader) validateShadow(path string, i int) {
	r := l.config.Routes[i]
	s := r.Shadow
	next, user, password := path+".next", path+".user", path+".password"
	address, _, ok := s.Server()
	switch {
	case s.Next == "":
		l.rejectUnused("a next hop", "add "+l.doc.Key(next)+", or remove it", user, password)
	case !ok:
		l.doc.Reject(next, "invalid next hop", "write smtp://host:port or smtps://host:port, "+
			"such as smtp://old-relay.example.com:25; the login is "+l.doc.Key(user))
	case (s.User == "") != !l.doc.Given(password):
		l.doc.Reject(user, "only one of "+l.doc.Key(user)+" and "+l.doc.Key(password)+" is given",
			"give both, or neither if the server requires no login")
	case l.isOwn(address):
		l.doc.Reject(next, l.doc.Key(next)+" is heyrelay's own listener, to which the mail would return",
			"name the mail server that delivers the mail at present")
	}
	l.validateShadowMatch(path, i)
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

// equal reports whether two routes pass their mail on in the same way, or not at all.
func (s Shadow) equal(o Shadow) bool {
	return s.Next == o.Next && s.User == o.User && s.Password.Reveal() == o.Password.Reveal()
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
