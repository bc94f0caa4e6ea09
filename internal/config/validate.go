package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"heyrelay/internal/loopback"
	"heyrelay/internal/strictyaml"
)

// validate checks what a single key cannot: names, references, and keys that exclude
// or require each other.
func (l *loader) validate() {
	c := l.config
	if !isHostname(c.Hostname) {
		l.doc.Reject("hostname", fmt.Sprintf("%q is not a host name", c.Hostname),
			"use letters, digits, hyphens and dots; write an international name in its xn-- form")
	}
	l.validateListeners()
	l.validateTLS()
	l.validateUsers()
	if c.Limits.InFlight < 2*c.Limits.MessageSize {
		l.doc.Reject("limits.in_flight", "limits.in_flight is too small for the largest message",
			"make it at least twice limits.message_size")
	}
	l.validateBaseURL()
	l.validateTeams()
	l.validateRoutes()
	l.validateAliases()
	if c.Delivery.RetryInitial > c.Delivery.RetryMax {
		l.doc.Reject("delivery.retry_initial", "delivery.retry_initial is longer than delivery.retry_max",
			"shorten it, or lengthen delivery.retry_max")
	}
	l.validateSpool()
	l.validateBlobs()
	l.validateBounces()
	l.validateEvents()
	l.validateMetrics()
	l.validateConsole()
}

func (l *loader) validateMetrics() {
	address := l.config.Metrics.Address
	if address == "" || l.doc.Rejected("metrics.address") {
		return
	}
	l.validateAddress("metrics.address", address)
}

// validateAddress checks the address of a listener that is neither a socket nor of systemd.
func (l *loader) validateAddress(path, address string) (ok bool) {
	advice := hostPortMistake(address)
	if advice != "" {
		l.doc.Reject(path, fmt.Sprintf("cannot listen on %q", address), advice)
	}
	return advice == ""
}

func (l *loader) validateListeners() {
	first := map[string]string{}
	if len(l.config.Listeners) == 0 {
		l.doc.Reject("listeners", "listeners has no entry", "add one, or omit the key to listen on 127.0.0.1:2525")
	}
	for i, listener := range l.config.Listeners {
		path := fmt.Sprintf("listeners[%d]", i)
		if l.doc.Rejected(path + ".address") {
			continue
		}
		if advice := listener.mistake(); advice != "" {
			l.doc.Reject(path+".address", fmt.Sprintf("cannot listen on %q", listener.Address), advice)
		}
		network, address := listener.Network()
		if network == "unix" && l.doc.Given(path+".allow") {
			l.doc.Reject(path+".allow", l.doc.Key(path+".allow")+" has no effect on a unix socket",
				"remove it; the permissions of the socket's directory decide who may connect")
		}
		if earlier, ok := first[address]; ok && !strings.HasSuffix(address, ":0") {
			l.doc.Reject(path+".address", earlier+" already listens on "+address, "choose another address or port")
		}
		first[address] = path
	}
}

// mistake explains how to write the address of a listener that is not understood.
func (l Listener) mistake() (advice string) {
	network, address := l.Network()
	switch network {
	case "unix":
		if !filepath.IsAbs(address) {
			return "write the absolute path of the socket, such as unix:/run/heyrelay/smtp.sock"
		}
		return ""
	case "systemd":
		if !isWord(address, "-_.") || address == "" {
			return "write the FileDescriptorName of the .socket unit, such as systemd:smtp"
		}
		return ""
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return "write host:port, such as 127.0.0.1:2525, [::1]:2525 or :2525, or unix:/path, or systemd:name"
	}
	return hostPortMistake(address)
}

// hostPortMistake explains how to write an address with a host and a port.
func hostPortMistake(address string) (advice string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "write host:port, such as 127.0.0.1:9125, [::1]:9125 or :9125"
	}
	if n, ok := strictyaml.WholeNumber(port); !ok || n > 65535 {
		return "write the port as a number up to 65535"
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostname(host) {
		return "write an address or a host name before the port"
	}
	return ""
}

// defaultAllow returns which clients need no password unless Allow is given: those
// on this machine at a loopback address, and none elsewhere, because the relay would
// be open. A unix socket has no such list.
func (l Listener) defaultAllow() Networks {
	network, address := l.Network()
	switch {
	case network == "unix":
		return nil
	case onLoopback(address):
		return thisMachine()
	}
	return Networks{}
}

// isHostname reports whether s is a domain in SMTP: labels of letters, digits and
// inner hyphens (RFC 5321, section 4.1.2; lengths: RFC 1035, section 2.3.4).
func isHostname(s string) bool {
	wrong := func(label string) bool {
		return label == "" || len(label) > 63 || strings.Trim(label, "-") != label || !isWord(label, "-")
	}
	return len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), wrong)
}

// isWord reports whether s consists of ASCII letters, digits and the characters of
// others.
func isWord(s, others string) bool {
	foreign := func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		return !letter && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	}
	return !strings.ContainsFunc(s, foreign)
}

func (l *loader) validateBaseURL() {
	const path = "heymarket.base_url"
	key := l.doc.Key(path)
	u, err := url.Parse(l.config.Heymarket.BaseURL)
	if err != nil || !isWebAddress(u) {
		l.doc.Reject(path, key+" is not a URL", "write https:// and the host, such as https://api.heymarket.com")
		return
	}
	base, versioned := beforeVersion(u)
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.doc.Reject(path, key+" contains more than a host and a path", "remove the user, ? and #")
	case versioned:
		l.doc.Reject(path, key+" contains /v1, which heyrelay adds", "write "+base)
	case u.Scheme == "http" && !loopback.Is(u.Hostname()) && !l.config.Heymarket.AllowHTTP:
		l.doc.Reject(path, key+" would send credentials unencrypted",
			"write https://, or set "+l.doc.Key("heymarket.allow_http")+" for a sandbox on another machine")
	}
}

// beforeVersion returns the part of a URL before /v1, where the path of every call begins. It
// reports whether the URL ends there, or at the call that the API's documentation shows.
func beforeVersion(u *url.URL) (base string, ok bool) {
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/email/send")
	path, ok = strings.CutSuffix(path, "/v1")
	return u.Scheme + "://" + u.Host + path, ok
}

// isWebAddress reports whether u is an http or https URL with a host.
func isWebAddress(u *url.URL) bool {
	return u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http")
}

// onLoopback reports whether the host of host:port is certainly this machine.
func onLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return loopback.Is(host)
}

func (l *loader) validateTeams() {
	for name, team := range l.config.Teams {
		path := strictyaml.Join("teams", name)
		if l.doc.Rejected(path) {
			continue
		}
		l.validateName(path, "team", name)
		secrets, key := l.doc.Given(path+".secrets"), l.doc.Given(path+".api_key")
		switch {
		case secrets && key:
			key := l.doc.Key(path + ".api_key")
			l.doc.Reject(path+".api_key", key+" is given in addition to a secret", "remove "+key)
		case !key && len(team.Secrets) == 0:
			l.doc.Reject(path+".secrets", path+" has no secrets",
				"list its Secret ID and Secret Key: secrets: [{id: ..., key_file: ...}]")
		case len(team.Secrets) > 2:
			l.doc.Reject(path+".secrets[2]", path+" has more than two secrets", "keep two; Heymarket allows no more per team")
		case len(team.Secrets) == 2 && team.Secrets[0].ID == team.Secrets[1].ID:
			l.doc.Reject(path+".secrets[1].id", path+" has the same secret twice", "keep one")
		}
		l.validateCredential(path+".api_key", team.APIKey.File(), team.APIKey.Reveal())
		for i, secret := range team.Secrets {
			at := fmt.Sprintf("%s.secrets[%d]", path, i)
			l.validateCredential(at+".id", "", secret.ID)
			l.validateCredential(at+".key", secret.Key.File(), secret.Key.Reveal())
		}
	}
}

// validateCredential checks that an id or a key, which may be from a file, consists of
// visible ASCII characters. It is not quoted: an id can be a key in the wrong place.
func (l *loader) validateCredential(path, file, text string) {
	if !isVisible(text) {
		l.doc.Reject(path, cmp.Or(file, l.doc.Key(path))+" contains a space or a character that is not ASCII",
			"copy it again from Heymarket")
	}
}

// isVisible reports whether s consists of visible ASCII characters.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// rejectUnused rejects those of some keys that are given: they have no effect without what is missing.
func (l *loader) rejectUnused(missing, advice string, keys ...string) {
	for _, key := range keys {
		if l.doc.Given(key) {
			l.doc.Reject(key, l.doc.Key(key)+" has no effect without "+missing, advice)
		}
	}
}

// validateName checks a name that the operator chose: one word, so that it is usable
// in logs, lists and commands.
func (l *loader) validateName(path, what, name string) {
	if name == "" || len(name) > 64 || !isWord(name, "-_.") {
		l.doc.Reject(path, fmt.Sprintf("invalid %s name %q", what, name),
			"use up to 64 letters, digits, hyphens, dots or underscores")
	}
}

// validateSpool checks the spool's URL. Like other files, a relative one starts in the
// directory of the configuration.
func (l *loader) validateSpool() {
	// The URL is not quoted: that of a database can contain a password.
	const advice = "write sqlite: and a plain path, such as sqlite:/var/lib/heyrelay/heyrelay.db"
	key := l.doc.Key("spool.url")
	scheme, path, found := strings.Cut(l.config.Spool.URL, ":")
	odd := strings.HasPrefix(path, "//") || strings.HasPrefix(path, ":") || strings.HasPrefix(path, "file:")
	switch {
	case !found:
		l.doc.Reject("spool.url", key+" has no scheme", advice)
	case scheme != "sqlite":
		l.doc.Reject("spool.url", fmt.Sprintf("%s has the unknown scheme %q", key, scheme), advice)
	case path == "" || odd || strings.ContainsAny(path, "?#"):
		l.doc.Reject("spool.url", key+" does not name a file", advice)
	default:
		l.config.Spool.URL = "sqlite:" + l.doc.Beside(path)
	}
}
