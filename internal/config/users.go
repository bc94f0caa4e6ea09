package config

import (
	"fmt"
	"slices"
	"strings"

	"heyrelay/internal/passhash"
	"heyrelay/internal/strictyaml"
)

// User is a client that logs in with a password.
type User struct {
	// The user name that the application is configured with.
	Name string `yaml:"name" example:"redmine" required:"give the user's name"`

	// The password's argon2id or bcrypt hash. "heyrelay passwd" creates it.
	Hash passhash.Hash `yaml:"password_hash" sensitive:"true" example:"${HASH}" required:"create it with heyrelay passwd"`

	// The envelope senders that the user may use; * matches any text, <> the null
	// sender of bounces. Default: all.
	Senders Patterns `yaml:"senders" example:"[\"*@example.com\"]"`
}

// AllUsers returns the users of the configuration and those of its users_file.
func (c *Config) AllUsers() []User { return slices.Concat(c.Users, c.fileUsers) }

// private reports whether clients of a listener can log in without being overheard.
func (l Listener) private() bool {
	network, _ := l.Network()
	return network == "unix" || l.TLS != TLSNone || l.local()
}

// local reports whether the listener has an address that only this machine can reach.
func (l Listener) local() bool {
	network, address := l.Network()
	return network == "tcp" && onLoopback(address)
}

// validateUsers checks names, and reads the users_file.
func (l *loader) validateUsers() {
	first := map[string]string{}
	for i, u := range l.config.Users {
		l.validateUserName(fmt.Sprintf("users[%d]", i), u.Name, first)
	}
	if l.config.UsersFile == "" {
		return
	}
	text, mode, err := strictyaml.ReadSmall(l.config.UsersFile)
	if err != nil {
		what := "cannot read " + l.doc.Key("users_file") + ": " + err.Error()
		l.doc.RejectFile("users_file", l.config.UsersFile, err, what, "name a file in the format of htpasswd -B")
		return
	}
	if mode.Perm()&0o004 != 0 {
		l.doc.Warn("users_file", "every user of this machine can read "+l.config.UsersFile, strictyaml.RemovePermission)
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			l.fileUser(i+1, line, first)
		}
	}
}

// validateUserName checks the name of the user at path, and enters it in first: where each name
// was given first.
func (l *loader) validateUserName(path, name string, first map[string]string) {
	if name == "" { // a problem already
		return
	}
	if !isUserName(name) {
		l.doc.Reject(path+".name", fmt.Sprintf("invalid user name %q", name), userNames)
	}
	if earlier, ok := first[name]; ok {
		l.doc.Reject(path+".name", earlier+" already has the name "+name, "choose another name")
	}
	first[name] = path
}

// fileUser adds the user of one line of the users_file. Hashes are not printed: one
// may be a password.
func (l *loader) fileUser(number int, line string, first map[string]string) {
	name, hash, _ := strings.Cut(line, ":")
	u := User{Name: name}
	err := u.Hash.UnmarshalText([]byte(hash))
	earlier, again := first[name]
	here := fmt.Sprintf("line %d of %s", number, l.doc.Key("users_file"))
	switch {
	case !isUserName(name):
		l.doc.Reject("users_file", here+" does not begin with a valid user name", userNames)
	case err != nil:
		l.doc.Reject("users_file", fmt.Sprintf("%s (%s) has an invalid password hash", here, name), err.Error())
	case again:
		l.doc.Reject("users_file", earlier+" already has the name "+name, "remove "+here)
	default:
		first[name] = here
		l.config.fileUsers = append(l.config.fileUsers, u)
	}
}

const userNames = "use up to 64 letters, digits and characters of -_.@+"

func isUserName(name string) bool {
	return name != "" && len(name) <= 64 && isWord(name, "-_.@+")
}

func (l *loader) warnUsers() {
	if len(l.config.AllUsers()) > 0 && !slices.ContainsFunc(l.config.Listeners, Listener.private) {
		l.doc.Warn("users", "no listener offers AUTH, because passwords would be sent unencrypted",
			"set "+l.doc.Key("listeners[0].tls")+" to starttls or implicit")
	}
}
