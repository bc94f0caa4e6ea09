package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Load reads the configuration in the file path. ${NAME} in a value is the
// environment variable NAME. The error is of type [Errors].
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	if err != nil {
		return nil, Errors{{Where: path, What: "cannot read the configuration: " + err.Error(), Do: "name a file that can be read"}}
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse reads a configuration that is there already. name is what problems call
// it; files that it names relatively are looked up in name's folder. env looks
// up environment variables, as os.LookupEnv does. data is not kept. The error is
// of type [Errors].
func Parse(name string, data []byte, env func(string) (string, bool)) (*Config, error) {
	l := newLoader(name)
	l.dir, l.env = filepath.Dir(name), env
	if len(data) > maxFile {
		l.note(position{where: name}, "this is larger than any configuration", "name another file")
		return nil, l.problems
	}
	l.warnIgnored(data)
	return l.load(l.tree(data))
}

// maxFile is far over what a thousand routes take.
const maxFile = 1 << 20

// loader makes a Config of a tree and notes what is wrong with it.
//
// A path names a place in the configuration, such as teams.shop.rate or
// routes[0].inbox, and the empty path is the whole.
type loader struct {
	name string                      // the file, or "environment"
	dir  string                      // where relative names of files begin
	env  func(string) (string, bool) // looks up variables for ${NAME}

	config   *Config
	at       map[string]position // where the value at a path was written
	from     map[string]string   // which variable sets the value at a path; empty for a file
	bad      map[string]bool     // paths that have a problem
	problems Errors
	warnings Errors
}

func newLoader(name string) *loader {
	return &loader{name: name, config: &Config{}, at: map[string]position{}, bad: map[string]bool{}}
}

// load decodes, completes and validates. All of it is tried, so that all problems
// are told at once.
func (l *loader) load(root *node) (*Config, error) {
	if root.kind != broken {
		l.decode(root)
		l.complete()
		l.validate()
	}
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	l.warn()
	l.config.warnings = l.warnings.sorted().lines()
	return l.config, nil
}

// note records a problem.
func (l *loader) note(at position, what, do string) {
	l.problems = append(l.problems, Problem{at.where, at.line, at.column, what, do})
}

// add records a problem of what stands at path, unless one is known there: what
// was found wrong once is not judged again.
func (l *loader) add(path, what, do string) {
	if !l.bad[path] {
		l.bad[path] = true
		l.note(l.where(path), what, do)
	}
}

// advise records a warning about what stands at path.
func (l *loader) advise(path, what, do string) {
	at := l.where(path)
	l.warnings = append(l.warnings, Problem{at.where, at.line, at.column, what, do})
}

// given reports whether something was written at path.
func (l *loader) given(path string) bool {
	_, ok := l.at[path]
	return ok
}

// where tells where path was written; if it was not, the variable that would set
// it, or else where what surrounds it was written.
func (l *loader) where(path string) position {
	for {
		if at, ok := l.at[path]; ok {
			return at
		}
		if name, ok := l.from[path]; ok {
			return position{where: name}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// complete fills in the defaults that depend on something else.
func (l *loader) complete() {
	c := l.config
	if !l.given("hostname") {
		c.Hostname = machine()
	}
	if !l.given("listeners") {
		c.Listeners = make([]Listener, 1)
		setDefaults(reflect.ValueOf(&c.Listeners[0]).Elem())
	}
	for i := range c.Listeners {
		listener := &c.Listeners[i]
		if listener.Allow == nil {
			listener.Allow = listener.usual()
		}
	}
	l.beside(&c.TLS.Certificate)
	l.beside(&c.TLS.Key)
	l.beside(&c.UsersFile)
	for i := range c.Routes {
		c.Routes[i].complete(c.Teams)
	}
	l.completeTold()
	c.Heymarket.BaseURL = strings.TrimRight(c.Heymarket.BaseURL, "/")
}

// beside makes the relative name of a file begin in the configuration's folder.
func (l *loader) beside(name *string) {
	if *name != "" && !filepath.IsAbs(*name) {
		*name = filepath.Join(l.dir, *name)
	}
}

// machine is the name of this machine, or "localhost" where it has none that SMTP
// could use.
func machine() string {
	name, err := os.Hostname()
	if err != nil || !isHostname(name) {
		return "localhost"
	}
	return name
}
