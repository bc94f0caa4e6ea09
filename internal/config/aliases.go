package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"unicode"

	"heyrelay/internal/strictyaml"
)

// localhost is the domain of a recipient without one.
const localhost = "localhost"

// Recipient returns where mail to an address goes: to its alias if it has one,
// otherwise to the address itself, as a relay_mailbox always does. ok is false if the address is local and has no
// alias, so that mail to it cannot be sent.
func (c *Config) Recipient(address string) (to string, ok bool) {
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.RelayMailbox != "" && canonical(r.RelayMailbox) == canonical(address) {
			return address, true
		}
	}
	local := c.isLocal(address)
	if to, found := c.alias(address, local); found {
		return to, true
	}
	return address, !local
}

// isLocal reports whether an address is a mailbox of a machine rather than of a mail
// domain: it has no domain, or one that only a machine knows by itself.
func (c *Config) isLocal(address string) bool {
	_, domain, ok := strings.Cut(strings.ToLower(address), "@")
	if !ok {
		return true
	}
	name := strings.TrimSuffix(strings.TrimSuffix(domain, ".localdomain"), "."+localhost)
	if name != domain || domain == localhost {
		return true
	}
	if strings.Contains(domain, ".") { // nearly always, and machine asks the system
		return false
	}
	return domain == strings.ToLower(c.Hostname) || domain == strings.ToLower(machine())
}

// alias returns the address of the alias that matches best: the one with the fewest *,
// and of these the longest.
func (c *Config) alias(address string, local bool) (to string, ok bool) {
	if len(c.Aliases) == 0 { // as a rule
		return "", false
	}
	keys := slices.SortedFunc(maps.Keys(c.Aliases), func(a, b string) int {
		wild := cmp.Compare(strings.Count(a, "*"), strings.Count(b, "*"))
		return cmp.Or(wild, cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	name, domain, _ := strings.Cut(address, "@")
	full := name + "@" + cmp.Or(domain, localhost)
	for _, key := range keys {
		matches := local && Pattern{key}.Match(name)
		if strings.Contains(key, "@") {
			matches = Pattern{key}.Match(full)
		}
		if matches {
			return c.Aliases[key], true
		}
	}
	return "", false
}

// validateAliases checks that each alias can match an address and leads to one that
// can be sent to.
func (l *loader) validateAliases() {
	for key, to := range l.config.Aliases {
		path := strictyaml.Join("aliases", key)
		if l.doc.Rejected(path) {
			continue
		}
		if advice := aliasMistake(key); advice != "" {
			l.doc.Reject(path, fmt.Sprintf("invalid alias %q", key), advice)
			continue
		}
		if !isMailbox(to) || strings.ContainsFunc(to, func(r rune) bool { return r > unicode.MaxASCII }) {
			l.doc.Reject(path, fmt.Sprintf("alias %s cannot be %q", key, to), "write one address, such as ops@example.com")
			continue
		}
		local := l.config.isLocal(to)
		if _, again := l.config.alias(to, local); local || again {
			l.doc.Reject(path, fmt.Sprintf("alias %s leads to %s, which is local or an alias itself", key, to),
				"write the address of a mailbox")
		}
	}
}

// aliasMistake explains how to write the key of an alias that is not understood.
func aliasMistake(key string) (advice string) {
	if strings.ContainsAny(key, "@*") {
		if err := new(Pattern).UnmarshalText([]byte(key)); err != nil {
			return err.Error()
		}
		return ""
	}
	if _, err := mail.ParseAddress(key + "@" + localhost); err != nil {
		return "write a local name, such as root, or an address or a pattern, such as *@localhost"
	}
	return ""
}
