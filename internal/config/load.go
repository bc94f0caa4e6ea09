package config

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"heyrelay/internal/strictyaml"
)

// Option changes how a configuration is read.
type Option func(*strictyaml.Document)

// WithoutSecrets is for programs that use no secrets: one whose file cannot be used, or whose
// variable is not set, is empty, which is a warning. So are certificates and users.
func WithoutSecrets(d *strictyaml.Document) {
	d.Excuse(func(string, error) bool { return true })
}

// WithoutCredentials is for programs that look at a configuration while its service may be
// stopped: a credential that systemd passes to the running service is empty without it, which
// is a warning.
func WithoutCredentials(d *strictyaml.Document) { d.Excuse(strictyaml.AbsentCredential) }

// Load reads the configuration in the file path. ${NAME} in a value is the
// environment variable NAME. The error is of type [strictyaml.Errors].
func Load(path string, options ...Option) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data, os.LookupEnv, options...)
}

func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	if err != nil {
		what := "cannot read the configuration: " + err.Error()
		return nil, strictyaml.Errors{{Where: path, What: what, Advice: unread(err)}}
	}
	return data, nil
}

// unread is what to do about a configuration that cannot be read.
func unread(err error) string {
	if errors.Is(err, fs.ErrPermission) { // packages install it for root and heyrelay's group alone
		return "run the command as root, or as a user that may read the file"
	}
	return "name a readable file"
}

// LoadSpoolURL reads spool.url alone from the configuration in the file path. It says where a
// running relay is to be found, also if other values have problems, or are secrets that this user
// cannot read. The error is of type [strictyaml.Errors].
func LoadSpoolURL(path string) (string, error) {
	data, err := read(path)
	if err != nil {
		return "", err
	}
	l := loader{doc: strictyaml.Parse(path, data, os.LookupEnv), config: &Config{}}
	if l.doc.Decode(l.config) {
		l.validateSpool()
	}
	if l.config.Spool.URL == "" || l.doc.Rejected("spool.url") {
		return "", l.doc.Err()
	}
	return l.config.Spool.URL, nil
}

// Parse reads a configuration from data. name is the file's name in problems;
// relative file names start in its directory. env looks up environment variables,
// as [os.LookupEnv] does. data is not kept. The error is of type
// [strictyaml.Errors].
func Parse(name string, data []byte, env func(string) (string, bool), options ...Option) (*Config, error) {
	l := loader{doc: strictyaml.Parse(name, data, env)}
	l.warnIgnored(name, data, env)
	return l.load(options)
}

// loader turns a document into a Config.
type loader struct {
	doc    *strictyaml.Document
	config *Config
}

// load decodes, completes and validates, in full, so that all problems are reported
// at once.
func (l *loader) load(options []Option) (*Config, error) {
	for _, apply := range options {
		apply(l.doc)
	}
	l.config = &Config{}
	if l.doc.Decode(l.config) {
		l.complete()
		l.validate()
	}
	if err := l.doc.Err(); err != nil {
		return nil, err
	}
	l.warn()
	l.config.warnings = l.doc.Warnings()
	l.config.key = l.doc.Key
	return l.config, nil
}

// complete sets the defaults that depend on other values.
func (l *loader) complete() {
	c := l.config
	if !l.doc.Given("hostname") {
		c.Hostname = machine()
	}
	if !l.doc.Given("listeners") {
		c.Listeners = make([]Listener, 1)
		strictyaml.SetDefaults(&c.Listeners[0])
	}
	for i := range c.Listeners {
		listener := &c.Listeners[i]
		if listener.Allow == nil {
			listener.Allow = listener.defaultAllow()
		}
	}
	for _, file := range []*string{&c.TLS.Certificate, &c.TLS.Key, &c.UsersFile} {
		*file = l.doc.Beside(*file)
	}
	c.completeRoutes()
	c.Bounces.complete(c.Hostname)
	c.Events.complete()
	c.Blobs.complete()
	c.Heymarket.BaseURL = strings.TrimRight(c.Heymarket.BaseURL, "/")
}

// machine returns the name of this machine, or "localhost" if SMTP could not use it.
func machine() string {
	name, err := os.Hostname()
	if err != nil || !isHostname(name) {
		return "localhost"
	}
	return name
}

// Masked returns all values in force as YAML, defaults included and secrets masked.
// Parsed again it gives the same configuration, except for secrets.
func (c *Config) Masked() []byte { return strictyaml.Show(c) }

// Changed returns what Masked does, except the values that are defaults. Those that
// depend on the machine, such as the host name, stay.
func (c *Config) Changed() []byte { return strictyaml.ShowChanged(c) }

// Differences returns the paths of the values in which other differs from c, such as
// limits.connections, in the order of the keys. Secrets count by their text.
func (c *Config) Differences(other *Config) []string {
	paths := strictyaml.Differences(c, other)
	if c.UsersFile == other.UsersFile && !reflect.DeepEqual(c.fileUsers, other.fileUsers) {
		paths = append(paths, "users_file")
	}
	return paths
}
