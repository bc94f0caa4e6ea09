package strictyaml

import (
	"regexp"
	"slices"
	"strings"
)

// Variable is an environment variable, without its prefix, and the path that it
// sets. A list is written with commas or spaces between its values. The path of a
// secret's file ends in _file.
type Variable struct{ Name, Path string }

// FromVariables reads a configuration without a file from environ, "NAME=value"
// strings as [os.Environ] returns them. Every variable that begins with prefix is
// read; one that is empty counts as not set. sections are paths that exist even if
// no variable sets anything in them, so that their required keys are missed. start
// is the advice if no variable is set at all. Relative file names start in the working
// directory.
func FromVariables(prefix string, known []Variable, environ, sections []string, start string) *Document {
	d := newDocument("environment")
	for _, v := range slices.Backward(known) { // of a secret's two variables, problems name the first
		d.variables[strings.TrimSuffix(v.Path, "_file")] = prefix + v.Name
		d.variables[v.Path] = prefix + v.Name
	}
	set := d.read(prefix, known, environ)
	d.root = &node{kind: mapping, at: position{where: d.name}}
	if len(set) == 0 && len(d.problems) == 0 {
		d.root = d.broken(d.root.at, "there is no configuration", start)
		return d
	}
	for _, path := range sections {
		d.root.put(path, &node{kind: mapping, at: d.root.at})
	}
	for _, v := range known {
		if text := set[v.Name]; text != "" {
			at := position{where: prefix + v.Name}
			d.root.put(v.Path, &node{kind: scalar, at: at, text: text, written: text})
		}
	}
	return d
}

// read returns the variables that begin with prefix, by their names without it.
func (d *Document) read(prefix string, known []Variable, environ []string) map[string]string {
	var names []string
	for _, v := range known {
		names = append(names, v.Name)
	}
	set := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, prefix)
		switch {
		case !ours || value == "" || isServiceLink(name, value):
		case slices.Contains(names, name):
			set[name] = value
		default:
			d.unknownVariable(prefix, name, names)
		}
	}
	return set
}

// unknownVariable records a variable that nothing reads. Its value is not printed.
func (d *Document) unknownVariable(prefix, name string, known []string) {
	advice := "known variables are " + prefix + strings.Join(known, ", "+prefix)
	if likely := Nearest(name, known); likely != "" {
		advice = "did you mean " + prefix + likely + "?"
	}
	d.note(position{where: prefix + name}, "unknown variable", advice)
}

// isServiceLink reports whether Kubernetes sets the variable in every container for
// a service whose name begins like ours.
func isServiceLink(name, value string) bool {
	link := regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	return link.MatchString(name) || strings.HasSuffix(name, "PORT") && strings.Contains(value, "://")
}

// put sets the value at a path below n, and creates what is missing on the way.
func (n *node) put(path string, value *node) {
	step, rest, more := strings.Cut(path, ".")
	key, inList := strings.CutSuffix(step, "[0]")
	i := slices.IndexFunc(n.pairs, func(p pair) bool { return p.key == key })
	if i < 0 {
		i = len(n.pairs)
		n.pairs = append(n.pairs, pair{key: key, at: n.at})
	}
	slot := &n.pairs[i].value
	if inList {
		if *slot == nil {
			*slot = &node{kind: sequence, at: n.at, items: make([]*node, 1)}
		}
		slot = &(*slot).items[0]
	}
	if !more {
		*slot = value
		return
	}
	if *slot == nil {
		*slot = &node{kind: mapping, at: n.at}
	}
	(*slot).put(rest, value)
}

// variable reports whether n was written in a variable rather than in a file.
func (n *node) variable() bool { return n.at.line == 0 }

// called returns the name of the variable that n was written in, or else key.
func (n *node) called(key string) string {
	if n.variable() {
		return n.at.where
	}
	return key
}

// split returns the values of a list that is written as a single value.
func (n *node) split() []*node {
	if !n.variable() {
		return []*node{n}
	}
	var list []*node
	for _, text := range strings.FieldsFunc(n.text, func(r rune) bool { return r == ',' || r == ' ' }) {
		list = append(list, &node{kind: scalar, at: n.at, text: text, written: text})
	}
	return list
}
