package config

import (
	"regexp"
	"slices"
	"strings"
)

// prefix begins the name of every variable that is ours.
const prefix = "HEYRELAY_"

// variable is an environment variable, without its prefix, and the key that it
// sets.
type variable struct{ name, path string }

// variables lists what an environment can say: one listener, one team with one
// secret, and one route.
func variables() []variable {
	return []variable{
		{"INBOX", "routes[0].inbox"},
		{"CREATOR_ID", "routes[0].creator_id"},
		{"SECRET_ID", "teams.main.secrets[0].id"},
		{"SECRET_KEY_FILE", "teams.main.secrets[0].key_file"},
		{"API_KEY_FILE", "teams.main.api_key_file"},
		{"LISTEN", "listeners[0].address"},
		{"ALLOW", "listeners[0].allow"},
		{"SPOOL", "spool.url"},
		{"HOSTNAME", "hostname"},
		{"ATTACHMENTS", "routes[0].attachments"},
		{"BASE_URL", "heymarket.base_url"},
	}
}

// FromEnvironment reads a configuration without a file, out of "NAME=value"
// strings as os.Environ gives them. A variable that is empty counts as not set; a
// list is separated by commas or spaces. Relative names of files are relative to
// the working directory. The error is of type [Errors].
func FromEnvironment(environ []string) (*Config, error) {
	l := newLoader("environment")
	l.from = map[string]string{}
	for _, v := range variables() {
		l.from[strings.TrimSuffix(v.path, "_file")] = prefix + v.name
	}
	return l.load(l.assemble(l.ours(environ)))
}

// ours picks the variables that are meant for heyrelay, by their names without
// prefix.
func (l *loader) ours(environ []string) map[string]string {
	var known []string
	for _, v := range variables() {
		known = append(known, v.name)
	}
	set := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, prefix)
		switch {
		case !ours || value == "" || isServiceLink(name, value):
		case slices.Contains(known, name):
			set[name] = value
		default:
			l.unknownVariable(name, known)
		}
	}
	return set
}

// unknownVariable notes a variable that nothing reads. Its value is not printed.
func (l *loader) unknownVariable(name string, known []string) {
	advice := "known are " + prefix + strings.Join(known, ", "+prefix)
	if likely := nearest(name, known); likely != "" {
		advice = "did you mean " + prefix + likely + "?"
	}
	l.note(position{where: prefix + name}, "unknown variable", advice)
}

// isServiceLink reports whether a variable is of those that Kubernetes sets in
// every container for a service whose name begins with heyrelay.
func isServiceLink(name, value string) bool {
	link := regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	return link.MatchString(name) || strings.HasSuffix(name, "PORT") && strings.Contains(value, "://")
}

// assemble builds the tree that a file with the same content would have given.
func (l *loader) assemble(set map[string]string) *node {
	root := &node{kind: mapping, at: position{where: l.name}}
	if len(set) == 0 && len(l.problems) == 0 {
		return l.broken(root.at, "there is no configuration", "name a file, or set "+prefix+"INBOX and what goes with it")
	}
	root.put("routes[0]", &node{kind: mapping, at: root.at})
	if set["API_KEY_FILE"] == "" {
		root.put("teams.main.secrets[0]", &node{kind: mapping, at: root.at})
	}
	for _, v := range variables() {
		if set[v.name] == "" {
			continue
		}
		value := &node{kind: scalar, at: position{where: prefix + v.name}, text: set[v.name], written: set[v.name]}
		if v.name == "ALLOW" {
			value = value.split()
		}
		root.put(v.path, value)
	}
	return root
}

// put sets the value at a path below n, and makes what is missing on the way.
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

// split makes a list of a scalar.
func (n *node) split() *node {
	list := &node{kind: sequence, at: n.at}
	for _, text := range strings.FieldsFunc(n.text, func(r rune) bool { return r == ',' || r == ' ' }) {
		list.items = append(list.items, &node{kind: scalar, at: n.at, text: text, written: text})
	}
	return list
}

// warnIgnored warns of variables that are set although a file is read: the two
// never mix.
func (l *loader) warnIgnored(data []byte) {
	for _, v := range variables() {
		name := prefix + v.name
		value, _ := l.env(name)
		if value != "" && !strings.Contains(string(data), "${"+name+"}") {
			at := Problem{Where: name, What: "is set, but " + l.name + " is read instead", Do: "write " + v.path + " there, and unset it"}
			l.warnings = append(l.warnings, at)
		}
	}
}
