package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// validate checks what one key alone cannot tell: names, references, and keys
// that exclude or need each other.
func (l *loader) validate() {
	c := l.config
	if !isHostname(c.Hostname) {
		l.add("hostname", fmt.Sprintf("%q is no host name", c.Hostname), "write letters, digits, hyphens and dots, an international name in its xn-- form")
	}
	l.validateListeners()
	l.validateTLS()
	l.validateUsers()
	if c.Limits.InFlight < 2*c.Limits.MessageSize {
		l.add("limits.in_flight", "limits.in_flight has no room for the largest message", "make it twice limits.message_size at least")
	}
	l.validateBaseURL()
	l.validateTeams()
	l.validateRoutes()
	if c.Delivery.RetryInitial > c.Delivery.RetryMax {
		l.add("delivery.retry_initial", "delivery.retry_initial is longer than delivery.retry_max", "shorten it, or lengthen the other")
	}
	l.validateSpool()
	l.validateBounces()
	l.validateEvents()
}

func (l *loader) validateListeners() {
	first := map[string]string{}
	if len(l.config.Listeners) == 0 {
		l.add("listeners", "listeners has no entry", "add one, or leave the key out for 127.0.0.1:2525")
	}
	for i, listener := range l.config.Listeners {
		path := fmt.Sprintf("listeners[%d]", i)
		if l.bad[path+".address"] {
			continue
		}
		if advice := listener.mistake(); advice != "" {
			l.add(path+".address", fmt.Sprintf("cannot listen on %q", listener.Address), advice)
		}
		network, address := listener.Network()
		if network == "unix" && l.given(path+".allow") {
			l.add(path+".allow", "a unix socket has no networks to allow", "leave the key out; the rights on the socket's folder say who may connect")
		}
		if earlier, ok := first[address]; ok && !strings.HasSuffix(address, ":0") {
			l.add(path+".address", earlier+" listens on "+address+" already", "choose another address or port")
		}
		first[address] = path
	}
}

// mistake says how to write the address of a listener that is not understood.
func (l Listener) mistake() string {
	network, address := l.Network()
	if network == "unix" {
		if !filepath.IsAbs(address) {
			return "write the path of the socket in full, such as unix:/run/heyrelay/smtp.sock"
		}
		return ""
	}
	if network == "systemd" {
		if !isWord(address, "-_.") || address == "" {
			return "write the FileDescriptorName of the .socket unit, such as systemd:smtp"
		}
		return ""
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "write host:port, such as 127.0.0.1:2525, [::1]:2525 or :2525, or unix:/path, or systemd:name"
	}
	if n, ok := wholeNumber(port); !ok || n > 65535 {
		return "write the port as a number up to 65535"
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !isHostname(host) {
		return "write an address or a host name before the port"
	}
	return ""
}

// usual is who is served where Allow says nothing: this machine on a loopback
// address, and nobody elsewhere. A gateway that anyone could use would be an open
// relay. A unix socket has no such list.
func (l Listener) usual() Networks {
	network, address := l.Network()
	host, _, _ := net.SplitHostPort(address)
	switch {
	case network == "unix":
		return nil
	case isLoopback(host):
		return loopback()
	}
	return Networks{}
}

// isHostname reports whether s is a domain as SMTP has it: labels of letters,
// digits and inner hyphens (RFC 5321, section 4.1.2; lengths: RFC 1035, section
// 2.3.4).
func isHostname(s string) bool {
	wrong := func(label string) bool {
		return label == "" || len(label) > 63 || strings.Trim(label, "-") != label || !isWord(label, "-")
	}
	return len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), wrong)
}

// isWord reports whether s has only ASCII letters and digits, and signs.
func isWord(s, signs string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(signs, r))
	})
}

func (l *loader) validateBaseURL() {
	const path = "heymarket.base_url"
	u, err := url.Parse(l.config.Heymarket.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		l.add(path, path+" is no web address", "write https:// and the host, such as https://api.heymarket.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.add(path, path+" has more than a host and a path", "leave out the user, ? and #")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		l.add(path, path+" would send secrets unencrypted", "write https://; http:// is for this machine alone")
	}
}

// isLoopback reports whether a host is this machine for sure.
func isLoopback(host string) bool {
	ip, _ := netip.ParseAddr(host)
	return host == "localhost" || ip.Unmap().IsLoopback()
}

func (l *loader) validateTeams() {
	for name, team := range l.config.Teams {
		path := join("teams", name)
		if l.bad[path] {
			continue
		}
		l.validateName(path, "a team", name)
		secrets, key := l.given(path+".secrets"), l.given(path+".api_key")
		switch {
		case secrets && key:
			l.add(path+".api_key", path+" has both secrets and an api_key", "keep the secrets, and take the api_key out")
		case !key && len(team.Secrets) == 0:
			l.add(path+".secrets", path+" has no secrets", "list its Secret ID and Secret Key: secrets: [{id: ..., key_file: ...}]")
		case len(team.Secrets) > 2:
			l.add(path+".secrets[2]", path+" has more than two secrets", "keep two: Heymarket has no more for a team")
		case len(team.Secrets) == 2 && team.Secrets[0].ID == team.Secrets[1].ID:
			l.add(path+".secrets[1].id", path+" has the same secret twice", "keep one")
		}
	}
}

// validateName checks a name of the operator's own: one word, so that it reads
// well in logs, lists and commands.
func (l *loader) validateName(path, what, name string) {
	if name == "" || len(name) > 64 || !isWord(name, "-_.") {
		l.add(path, fmt.Sprintf("%q cannot be the name of %s", name, what), "write up to 64 letters, digits, hyphens, dots or underscores")
	}
}

func (l *loader) validateSpool() {
	// The whole is not quoted: the URL of a database can hold a password.
	scheme, path, found := strings.Cut(l.config.Spool.URL, ":")
	odd := strings.HasPrefix(path, "//") || strings.HasPrefix(path, ":") || strings.HasPrefix(path, "file:")
	switch {
	case !found:
		l.add("spool.url", "spool.url has no scheme", "write sqlite: and a path, such as sqlite:/var/lib/heyrelay/heyrelay.db")
	case scheme != "sqlite":
		l.add("spool.url", fmt.Sprintf("spool.url has the unknown scheme %q", scheme), "known is sqlite: and a path, such as sqlite:/var/lib/heyrelay/heyrelay.db")
	case path == "" || odd || strings.ContainsAny(path, "?#"):
		l.add("spool.url", "spool.url names no file", "write sqlite: and a plain path, such as sqlite:/var/lib/heyrelay/heyrelay.db")
	}
}
