package config

import (
	"fmt"
	"net/netip"
	"strings"

	"heyrelay/internal/passhash"
	"heyrelay/internal/strictyaml"
)

// Console is who may use the web console and the admin API, and where. It is in use if there is
// an Address.
type Console struct {
	// host:port of the listener, which also serves /metrics, /livez and /readyz unless
	// metrics.address is given. On a loopback address without users, tokens and proxy, a
	// token is printed at start; on any other, one of them is required. Default: none.
	Address string `yaml:"address" example:"127.0.0.1:8025"`

	// Encryption: none, or implicit, with the certificate of tls. Without encryption,
	// others can read passwords and mail on the way: use none only on this machine or
	// behind a proxy that encrypts.
	TLS string `yaml:"tls" default:"none" oneof:"none|implicit"`

	// The host names by which browsers and programs reach the console, in addition to
	// localhost and its address. Requests for any other are refused (421).
	Hosts []string `yaml:"hosts" example:"[relay.example.com]"`

	// People who log in with a name and a password.
	Users []ConsoleUser `yaml:"users"`

	// Programs that use the admin API.
	Tokens []ConsoleToken `yaml:"tokens"`

	// A proxy in front of the console that authenticates people.
	Proxy ConsoleProxy `yaml:"proxy"`

	// How long a login lasts.
	Session strictyaml.Duration `yaml:"session" default:"12h" range:"1m..30d"`
}

// ConsoleUser is a person who logs in to the console.
type ConsoleUser struct {
	// The user name.
	Name string `yaml:"name" example:"ann" required:"give the user's name"`

	// The password's argon2id or bcrypt hash. "heyrelay passwd" creates it.
	Hash passhash.Hash `yaml:"password_hash" sensitive:"true" example:"${HASH}" required:"create it with heyrelay passwd"`

	// read: sees everything, message content included. operate: also retries, drops,
	// holds and releases.
	Role string `yaml:"role" default:"read" oneof:"read|operate"`
}

// ConsoleToken is a bearer token of a program.
type ConsoleToken struct {
	// The program's name, for the log.
	Name string `yaml:"name" example:"dashboard"`

	// The token: at least 24 characters, such as "openssl rand -base64 32" prints.
	Token strictyaml.Secret `yaml:"token" example:"/run/secrets/heyrelay_token" required:"write a random token to a file"`

	// read or operate, as for users.
	Role string `yaml:"role" default:"read" oneof:"read|operate"`
}

// ConsoleProxy is a proxy that is trusted. It is in use if there are Networks.
type ConsoleProxy struct {
	// The proxy's addresses. These header fields are trusted from these addresses only:
	// X-Forwarded-For, X-Forwarded-Proto and the one below.
	Networks Networks `yaml:"networks" example:"[192.0.2.1]"`

	// The header field with the name of the user whom the proxy authenticated. The proxy
	// must remove it from what clients send. Default: none, users log in here.
	Header string `yaml:"header" example:"X-Remote-User"`

	// The role of these users.
	Role string `yaml:"role" default:"read" oneof:"read|operate"`

	// The names of those users who have the role operate.
	Operators []string `yaml:"operators" example:"[ann]"`
}

// Loopback reports whether only this machine can connect to the console.
func (c Console) Loopback() bool { return onLoopback(c.Address) }

// closed reports whether the configuration names somebody who may use the console.
func (c Console) closed() bool {
	return len(c.Users) > 0 || len(c.Tokens) > 0 || len(c.Proxy.Networks) > 0 && c.Proxy.Header != ""
}

// minToken is the length of the shortest token that cannot be guessed.
const minToken = 24

func (l *loader) validateConsole() {
	c := l.config.Console
	l.validateConsoleAddress()
	for i, host := range c.Hosts {
		if _, err := netip.ParseAddr(host); err != nil && !isHostname(host) {
			l.doc.Reject(fmt.Sprintf("console.hosts[%d]", i), fmt.Sprintf("%q is not a host name", host),
				"write the name alone, without https:// and port")
		}
	}
	l.validateConsoleUsers()
	l.validateConsoleTokens()
	if c.Proxy.Header != "" && len(c.Proxy.Networks) == 0 {
		l.doc.Reject("console.proxy.header", "console.proxy.header would be trusted from nobody",
			"add the proxy's address to console.proxy.networks")
	}
	if c.Proxy.Header != "" && !isWord(c.Proxy.Header, "-_") {
		l.doc.Reject("console.proxy.header", fmt.Sprintf("%q is not the name of a header field", c.Proxy.Header),
			"write a name such as X-Remote-User")
	}
	if c.Proxy.Networks.all() {
		l.doc.Reject("console.proxy.networks", "anyone could claim to be the proxy", "write the proxy's address only")
	}
}

func (l *loader) validateConsoleAddress() {
	const path = "console.address"
	c := l.config.Console
	if l.doc.Rejected(path) {
		return
	}
	if c.Address == "" {
		l.rejectConsoleWithoutAddress()
		return
	}
	if !l.validateAddress(path, c.Address) {
		return
	}
	if !c.Loopback() && !c.closed() {
		l.doc.Reject(path, "the console would be open to anyone who reaches "+c.Address,
			"add console.users, console.tokens or console.proxy, or listen on 127.0.0.1")
	}
	if c.Address == l.config.Metrics.Address && !strings.HasSuffix(c.Address, ":0") {
		l.doc.Reject("metrics.address", "console.address already listens on "+c.Address,
			"remove metrics.address: the console serves metrics, too")
	}
}

// rejectConsoleWithoutAddress rejects what has no effect without an address. An empty list does no harm.
func (l *loader) rejectConsoleWithoutAddress() {
	c := l.config.Console
	for key, given := range map[string]bool{
		"console.hosts":          len(c.Hosts) > 0,
		"console.users":          len(c.Users) > 0,
		"console.tokens":         len(c.Tokens) > 0,
		"console.proxy.networks": len(c.Proxy.Networks) > 0,
	} {
		if given {
			l.rejectUnused("an address", "add "+l.doc.Key("console.address"), key)
		}
	}
}

func (l *loader) validateConsoleUsers() {
	first := map[string]string{}
	for i, u := range l.config.Console.Users {
		l.validateUserName(fmt.Sprintf("console.users[%d]", i), u.Name, first)
	}
}

func (l *loader) validateConsoleTokens() {
	for i, t := range l.config.Console.Tokens {
		path := fmt.Sprintf("console.tokens[%d].token", i)
		text := t.Token.Reveal()
		if !isVisible(text) {
			l.doc.Reject(path, l.doc.Key(path)+" contains a space or a character that is not ASCII",
				"write letters and digits, such as openssl rand -hex 32 prints")
		}
		if !t.Token.IsZero() && len(text) < minToken {
			l.doc.Reject(path, "the token is short enough to be guessed",
				`write at least 24 characters, such as openssl rand -base64 32 prints`)
		}
	}
}

func (l *loader) warnConsole() {
	c := l.config.Console
	if c.Address != "" && !c.Loopback() && c.TLS == TLSNone && len(c.Proxy.Networks) == 0 {
		l.doc.Warn("console.address", "logins and mail are sent unencrypted to "+c.Address,
			"set console.tls to implicit, or name the proxy that encrypts in console.proxy.networks")
	}
}
