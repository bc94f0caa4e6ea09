package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// completeTold fills in the defaults of bounces and events.
func (l *loader) completeTold() {
	c := l.config
	if c.Bounces.Smarthost != "" && c.Bounces.From == "" {
		c.Bounces.From = "mailer-daemon@" + c.Hostname
	}
	if c.Events.URL != "" && c.Events.Kinds == nil {
		c.Events.Kinds = []string{EventFailed, EventFlagged, EventHeld, EventReleased, EventBacklog, EventOldest}
	}
}

// Server is the smarthost's host:port, and whether it is encrypted from the
// beginning. ok is false where Smarthost is no address of a server.
func (b Bounces) Server() (address string, implicit, ok bool) {
	u, err := url.Parse(b.Smarthost)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", false, false
	}
	port, number := wholeNumber(u.Port())
	_, err = netip.ParseAddr(u.Hostname())
	ok = number && 0 < port && port <= 65535 && (u.Scheme == "smtp" || u.Scheme == "smtps") && (err == nil || isHostname(u.Hostname()))
	return net.JoinHostPort(u.Hostname(), u.Port()), u.Scheme == "smtps", ok
}

func (l *loader) validateBounces() {
	b := l.config.Bounces
	address, _, ok := b.Server()
	switch {
	case b.Smarthost == "":
		for _, key := range []string{"user", "password", "from"} {
			if l.given("bounces." + key) {
				l.add("bounces."+key, "bounces."+key+" has no meaning without a smarthost", "add bounces.smarthost, or leave it out")
			}
		}
		return
	case !ok:
		l.add("bounces.smarthost", "bounces.smarthost is no mail server", "write smtp://host:port or smtps://host:port, such as smtp://127.0.0.1:25; the name to log in with is bounces.user")
		return
	case (b.User == "") != !l.given("bounces.password"):
		l.add("bounces.user", "bounces has one of user and password", "give both, or none where the server wants no login")
	case !isMailbox(b.From) || strings.ContainsFunc(b.From, func(r rune) bool { return r > unicode.MaxASCII }):
		l.add("bounces.from", fmt.Sprintf("bounces.from cannot be %q", b.From), "write one address, such as mailer-daemon@relay.example.com")
	}
	for i, listener := range l.config.Listeners {
		if listener.at(address, l.config.Hostname) {
			l.add("bounces.smarthost", fmt.Sprintf("bounces.smarthost is listeners[%d]: reports would come back as mail", i), "name the mail server that takes mail for your senders")
		}
	}
}

// at reports whether a listener is what is found at an address, as far as names
// and numbers tell.
func (l Listener) at(address, hostname string) bool {
	network, own := l.Network()
	host, port, _ := net.SplitHostPort(address)
	here, ownPort, err := net.SplitHostPort(own)
	if network != "tcp" || err != nil || port != ownPort {
		return false
	}
	host, here = strings.ToLower(host), strings.ToLower(here)
	ip, _ := netip.ParseAddr(here)
	switch {
	case here == "" || ip.IsUnspecified():
		target, _ := netip.ParseAddr(host)
		return isLoopback(host) || target.IsUnspecified() || host == strings.ToLower(hostname)
	case host == "localhost" || here == "localhost":
		return isLoopback(host) && isLoopback(here)
	}
	target, err := netip.ParseAddr(host)
	return host == here || err == nil && target.Unmap() == ip.Unmap()
}

func (l *loader) validateEvents() {
	e := l.config.Events
	u, err := url.Parse(e.URL)
	switch {
	case e.URL == "":
		for _, key := range []string{"secret", "kinds"} {
			if l.given("events." + key) {
				l.add("events."+key, "events."+key+" has no meaning without a url", "add events.url, or leave it out")
			}
		}
		return
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		l.add("events.url", "events.url is no web address", "write https:// and the host, such as https://ops.example.com/heyrelay")
	case u.User != nil || u.Fragment != "":
		l.add("events.url", "events.url has a user or a fragment", "leave them out; calls are signed")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		l.add("events.url", "events.url would tell of your mail unencrypted", "write https://; http:// is for this machine alone")
	}
	if _, ok := e.Key(); !ok {
		l.add("events.secret", "events has no secret that calls can be signed with", "write whsec_ and 24 to 64 random bytes in base64 into a file, and name it as events.secret_file")
	}
}

// Key is the key that the Secret stands for, as the Standard Webhooks
// specification writes it: whsec_ and 24 to 64 bytes in base64.
func (e Events) Key() (key []byte, ok bool) {
	text, ok := strings.CutPrefix(e.Secret.Reveal(), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	return key, ok && err == nil && 24 <= len(key) && len(key) <= 64
}
