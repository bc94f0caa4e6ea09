package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
)

// PasswordHash is an argon2id or bcrypt hash. However it is printed or marshalled, it
// is ***; Reveal alone gives it.
type PasswordHash struct{ text string }

// UnmarshalText reads a PasswordHash. Its error says how to make one.
func (h *PasswordHash) UnmarshalText(text []byte) error {
	argon := regexp.MustCompile(`^\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$`)
	bcrypt := regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)
	if !argon.Match(text) && !bcrypt.Match(text) {
		return errors.New("make an argon2id or bcrypt hash with heyrelay passwd or htpasswd -B, and write it in quotes")
	}
	h.text = string(text)
	return nil
}

// Reveal gives the hash.
func (h PasswordHash) Reveal() string { return h.text }

// String gives ***.
func (h PasswordHash) String() string { return "***" }

// GoString gives ***.
func (h PasswordHash) GoString() string { return "***" }

// MarshalText gives ***.
func (h PasswordHash) MarshalText() ([]byte, error) { return []byte("***"), nil }

// AllUsers are the users of the configuration and those of its users_file.
func (c *Config) AllUsers() []User { return slices.Concat(c.Users, c.fileUsers) }

// private reports whether nobody can listen to a listener's clients, or to those of
// them that want it so.
func (l Listener) private() bool {
	network, address := l.Network()
	host, _, _ := net.SplitHostPort(address)
	return network == "unix" || l.TLS != TLSNone || isLoopback(host)
}

// validateUsers checks names, and reads the users_file.
func (l *loader) validateUsers() {
	first := map[string]string{}
	for i, u := range l.config.Users {
		path := fmt.Sprintf("users[%d].name", i)
		if u.Name != "" && !isUserName(u.Name) {
			l.add(path, fmt.Sprintf("%q cannot be the name of a user", u.Name), userNames)
		}
		if earlier, ok := first[u.Name]; ok && u.Name != "" {
			l.add(path, earlier+" is called "+u.Name+" already", "give this one another name")
		}
		first[u.Name] = fmt.Sprintf("users[%d]", i)
	}
	if l.config.UsersFile == "" {
		return
	}
	text, mode, err := readSmall(l.config.UsersFile)
	if err != nil {
		l.add("users_file", "cannot read it: "+err.Error(), "name a file as htpasswd -B makes it")
		return
	}
	if mode.Perm()&0o004 != 0 {
		l.advise("users_file", "everybody on this machine can read "+l.config.UsersFile, "take that right away (chmod o-r)")
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			l.fileUser(i+1, line, first)
		}
	}
}

// fileUser adds the user of one line of the users_file. Hashes are not printed: one
// may be a password.
func (l *loader) fileUser(number int, line string, first map[string]string) {
	name, hash, _ := strings.Cut(line, ":")
	u := User{Name: name}
	err := u.PasswordHash.UnmarshalText([]byte(hash))
	earlier, again := first[name]
	switch here := fmt.Sprintf("line %d of it", number); {
	case !isUserName(name):
		l.add("users_file", here+" begins with no name of a user", userNames)
	case err != nil:
		l.add("users_file", fmt.Sprintf("%s (%s) has a hash that is not known", here, name), err.Error())
	case again:
		l.add("users_file", earlier+" is called "+name+" already", "take it out of "+here)
	default:
		first[name] = here
		l.config.fileUsers = append(l.config.fileUsers, u)
	}
}

const userNames = "write up to 64 letters, digits, and of -_.@+"

func isUserName(name string) bool {
	return name != "" && len(name) <= 64 && isWord(name, "-_.@+")
}

// validateMatch checks that a route's users exist.
func (l *loader) validateMatch(path string, r Route) {
	if l.bad["users_file"] {
		return
	}
	var names []string
	for _, u := range l.config.AllUsers() {
		names = append(names, u.Name)
	}
	for i, name := range r.Match.User {
		if slices.Contains(names, name) {
			continue
		}
		advice := "add it to users"
		if near := nearest(name, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		l.add(fmt.Sprintf("%s.user[%d]", path, i), fmt.Sprintf("there is no user %q", name), advice)
	}
}

func (l *loader) warnUsers() {
	if len(l.config.AllUsers()) > 0 && !slices.ContainsFunc(l.config.Listeners, Listener.private) {
		l.advise("users", "no listener takes passwords: they could be read on the way", "give one of them tls: starttls or implicit")
	}
}
