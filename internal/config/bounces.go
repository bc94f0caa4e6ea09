package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"heyrelay/internal/loopback"
	"heyrelay/internal/strictyaml"
)

// Bounces is how senders are notified of failures (RFC 3464). It is in use if there
// is a Smarthost.
type Bounces struct {
	// The mail server for the reports: smtp://host:port, with STARTTLS if the server
	// offers it, or smtps://host:port, with TLS from the start. Not a listener of
	// heyrelay itself.
	Smarthost string `yaml:"smarthost" example:"smtp://127.0.0.1:25"`

	// The user name, if the server requires a login. It is sent over TLS only, unless the
	// server is on this machine.
	User string `yaml:"user" example:"heyrelay"`

	// The user's password.
	Password strictyaml.Secret `yaml:"password" example:"/run/secrets/smarthost_password"`

	// The From address of reports. Default: mailer-daemon@ and the hostname.
	From string `yaml:"from" example:"mailer-daemon@relay.example.com"`

	// How long a message is pending before a sender who requested it (NOTIFY=DELAY) is
	// notified.
	Delay strictyaml.Duration `yaml:"delay" default:"4h" range:"1m..30d"`
}

// complete sets the address that reports come from.
func (b *Bounces) complete(hostname string) {
	if b.Smarthost != "" && b.From == "" {
		b.From = "mailer-daemon@" + hostname
	}
}

// Hop returns the smarthost as a next hop.
func (b Bounces) Hop() NextHop { return NextHop{Next: b.Smarthost, User: b.User, Password: b.Password} }

// mailServer reads smtp://host:port or smtps://host:port.
func mailServer(text string) (address string, implicit, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", false, false
	}
	port, number := strictyaml.WholeNumber(u.Port())
	_, err = netip.ParseAddr(u.Hostname())
	host := err == nil || isHostname(u.Hostname())
	scheme := u.Scheme == "smtp" || u.Scheme == "smtps"
	ok = number && 0 < port && port <= 65535 && scheme && host
	return net.JoinHostPort(u.Hostname(), u.Port()), u.Scheme == "smtps", ok
}

func (l *loader) validateBounces() {
	b := l.config.Bounces
	address, _, ok := b.Hop().Server()
	smarthost := l.doc.Key("bounces.smarthost")
	user := l.doc.Key("bounces.user")
	from := l.doc.Key("bounces.from")
	switch {
	case b.Smarthost == "":
		l.rejectUnused("a smarthost", "add "+smarthost+", or remove it", "bounces.user", "bounces.password", "bounces.from")
		return
	case !ok:
		l.doc.Reject("bounces.smarthost", "invalid smarthost",
			"write smtp://host:port or smtps://host:port, such as smtp://127.0.0.1:25; the login is "+user)
		return
	case (b.User == "") != !l.doc.Given("bounces.password"):
		l.doc.Reject("bounces.user", "only one of "+user+" and "+l.doc.Key("bounces.password")+" is given",
			"give both, or neither if the server requires no login")
	case !isMailbox(b.From) || strings.ContainsFunc(b.From, func(r rune) bool { return r > unicode.MaxASCII }):
		l.doc.Reject("bounces.from", fmt.Sprintf("%s cannot be %q", from, b.From),
			"write one address, such as mailer-daemon@relay.example.com")
	}
	if l.isOwn(address) {
		l.doc.Reject("bounces.smarthost", smarthost+" is heyrelay's own listener, to which reports would return",
			"name the mail server that delivers to your senders")
	}
}

// isOwn reports whether a listener of heyrelay itself is what answers at an address.
func (l *loader) isOwn(address string) bool {
	return slices.ContainsFunc(l.config.Listeners, func(o Listener) bool { return o.at(address, l.config.Hostname) })
}

// at reports whether a listener is what answers at an address, as far as names and
// numbers show.
func (l Listener) at(address, hostname string) bool {
	network, own := l.Network()
	host, port, _ := net.SplitHostPort(address)
	here, ownPort, err := net.SplitHostPort(own)
	if network != "tcp" || err != nil || port != ownPort {
		return false
	}
	host = strings.ToLower(host)
	here = strings.ToLower(here)
	ip, _ := netip.ParseAddr(here)
	switch {
	case here == "" || ip.IsUnspecified():
		target, _ := netip.ParseAddr(host)
		return loopback.Is(host) || target.IsUnspecified() || host == strings.ToLower(hostname)
	case host == "localhost" || here == "localhost":
		return loopback.Is(host) && loopback.Is(here)
	}
	target, err := netip.ParseAddr(host)
	return host == here || err == nil && target.Unmap() == ip.Unmap()
}
