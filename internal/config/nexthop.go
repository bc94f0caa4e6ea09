package config

import "heyrelay/internal/strictyaml"

// NextHop is a mail server to which a route passes mail on. It is in use if there is a Next.
type NextHop struct {
	// The mail server: smtp://host:port, with STARTTLS if the server offers it, or
	// smtps://host:port, with TLS from the start. Not a listener of heyrelay itself.
	Next string `yaml:"next" example:"smtp://mail.example.com:25"`

	// The user name, if the server requires a login. It is sent over TLS only, unless the
	// server is on this machine.
	User string `yaml:"user" example:"heyrelay"`

	// The user's password.
	Password strictyaml.Secret `yaml:"password" example:"/run/secrets/mail_password"`
}

// Server returns the next hop's host:port, and whether the connection is encrypted from
// the start. ok is false if Next is not the address of a server.
func (n NextHop) Server() (address string, implicit, ok bool) { return mailServer(n.Next) }

// equal reports whether two routes pass their mail on in the same way, or not at all.
func (n NextHop) equal(o NextHop) bool {
	return n.Next == o.Next && n.User == o.User && n.Password.Reveal() == o.Password.Reveal()
}

// validateNextHop checks a next hop. Its role is what it does, for advice.
func (l *loader) validateNextHop(path string, n NextHop, role string) {
	next, user, password := path+".next", path+".user", path+".password"
	address, _, ok := n.Server()
	switch {
	case n.Next == "":
		l.rejectUnused("a next hop", "add "+l.doc.Key(next)+", or remove it", user, password)
	case !ok:
		l.doc.Reject(next, "invalid next hop", "write smtp://host:port or smtps://host:port, "+
			"such as smtp://mail.example.com:25; the login is "+l.doc.Key(user))
	case (n.User == "") != !l.doc.Given(password):
		l.doc.Reject(user, "only one of "+l.doc.Key(user)+" and "+l.doc.Key(password)+" is given",
			"give both, or neither if the server requires no login")
	case l.isOwn(address):
		l.doc.Reject(next, l.doc.Key(next)+" is heyrelay's own listener, to which the mail would return",
			"name the mail server that "+role)
	}
}

// validateSmarthost checks the smarthost of a route, and that there is one where files need it.
func (l *loader) validateSmarthost(path string, r Route) {
	l.validateNextHop(path+".smarthost", r.Smarthost, "delivers to the recipients")
	if r.Attachments == AttachmentsSmarthost && r.Smarthost.Next == "" {
		l.doc.Reject(path+".attachments", "route "+r.Name+" has no smarthost for messages with attachments",
			"add "+l.doc.Key(path+".smarthost.next")+", such as smtp://mail.example.com:25")
	}
}

// ByMail returns the routes that have a smarthost, with their teams.
func (c *Config) ByMail() map[string]string {
	all := map[string]string{}
	for _, r := range c.Routes {
		if r.Smarthost.Next != "" {
			all[r.Name] = r.Team
		}
	}
	return all
}
