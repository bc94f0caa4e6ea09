package strictyaml

import (
	"fmt"
	"io/fs"
	"reflect"
	"slices"
)

// called names a path for people.
func called(path string) string {
	if path == "" {
		return "the configuration"
	}
	return path
}

// value decodes the value n at path into v.
func (d *Document) value(path string, n *node, v reflect.Value, f field) {
	switch {
	case n.kind == broken:
		d.rejectBroken(path, n, isSecret(v.Type()) || f.Tag.Get("sensitive") == "true")
	case isSecret(v.Type()):
		d.secret(path, n, v, f)
	case isText(v.Type()):
		d.text(path, n, v, f)
	case v.Kind() == reflect.Struct:
		d.section(path, n, v)
	case v.Kind() == reflect.Map:
		d.named(path, n, v, f)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v, f)
	}
}

// rejectBroken records the faults of a value. Those of a secret may be excused.
func (d *Document) rejectBroken(path string, n *node, secret bool) {
	d.rejected[path] = true
	if secret && d.excused("", fs.ErrNotExist) {
		d.warnings = append(d.warnings, n.faults...)
		return
	}
	d.problems = append(d.problems, n.faults...)
}

// is records a problem if n is not of the kind that path needs.
func (d *Document) is(want kind, path string, n *node) bool {
	if n.kind == want {
		return true
	}
	advice := map[kind]string{
		scalar:   "give a single value, or omit the key",
		mapping:  "write keys and values, indented, below it",
		sequence: "write a list, each entry indented after a hyphen (- )",
	}
	d.Reject(path, fmt.Sprintf("%s has %s", called(path), n.kind), advice[want])
	return false
}

// pairs lists the keys of n and their values, each key once, and records where
// they are. name returns a key's name in paths.
func (d *Document) pairs(path string, n *node, name func(key string) string) []pair {
	first := map[string]pair{}
	var once []pair
	for _, p := range n.pairs {
		earlier, repeated := first[name(p.key)]
		switch {
		case !repeated:
			first[name(p.key)] = p
			once = append(once, p)
			d.at[Join(path, name(p.key))] = p.where()
		case earlier.key == p.key:
			d.note(p.at, fmt.Sprintf("%s is given twice, first in line %d", p.key, earlier.at.line), "keep one")
		case p.value.variable():
			d.note(p.value.at, fmt.Sprintf("%s and %s are both set", earlier.value.at.where, p.value.at.where), "keep one")
		default:
			d.note(p.at, fmt.Sprintf("%s and %s are both given", earlier.key, p.key), "keep one")
		}
	}
	return once
}

// section decodes the keys of a struct. A section without keys leaves them all at
// their defaults.
func (d *Document) section(path string, n *node, v reflect.Value) {
	if n.kind != empty && !d.is(mapping, path, n) {
		return
	}
	known := fields(v.Type())
	find := func(key string) int {
		return slices.IndexFunc(known, func(f field) bool { return f.key == key })
	}
	name := func(key string) string {
		if i := find(key); i >= 0 {
			return known[i].name
		}
		return key
	}
	for _, p := range d.pairs(path, n, name) {
		if i := find(p.key); i >= 0 {
			d.value(Join(path, known[i].name), p.value, v.FieldByIndex(known[i].Index), known[i])
		} else {
			d.unknown(p, known)
		}
	}
	for _, f := range known {
		if f.Tag.Get("required") != "" && !f.namesFile() && isEmpty(v.FieldByIndex(f.Index)) {
			d.missing(path, n, f)
		}
	}
}

// missing records that a required key of a section has no value.
func (d *Document) missing(path string, n *node, f field) {
	what := called(path)
	for _, p := range n.pairs {
		if p.key == "name" && p.value.kind == scalar {
			what += " (" + p.value.written + ")"
		}
	}
	what += " has no " + f.key
	if isSecret(f.Type) {
		what += " or " + f.key + "_file"
	}
	if d.variables[Join(path, f.name)] != "" {
		what = "is not set"
	}
	d.Reject(Join(path, f.name), what, f.Tag.Get("required"))
}

// named decodes a mapping whose keys are names that the operator chooses.
func (d *Document) named(path string, n *node, v reflect.Value, f field) {
	if !d.is(mapping, path, n) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range d.pairs(path, n, func(key string) string { return key }) {
		item := reflect.New(v.Type().Elem()).Elem()
		if !isText(item.Type()) {
			setDefaults(item)
		}
		d.value(Join(path, p.key), p.value, item, f)
		v.SetMapIndex(reflect.ValueOf(p.key), item)
	}
}

// list decodes a list. For a list of plain values, one value is a list of one.
func (d *Document) list(path string, n *node, v reflect.Value, f field) {
	item := v.Type().Elem()
	items := n.items
	if n.kind == scalar && isText(item) {
		items = n.split()
	} else if !d.is(sequence, path, n) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, n := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.at[at] = n.at
		if !isText(item) {
			setDefaults(v.Index(i))
		}
		d.value(at, n, v.Index(i), f)
	}
}

// text decodes a single value.
func (d *Document) text(path string, n *node, v reflect.Value, f field) {
	if n.kind == scalar && n.text == "" {
		n = &node{kind: empty}
	}
	if !d.is(scalar, path, n) {
		return
	}
	err := setText(v, n.text)
	if err == nil {
		err = check(v, f.Tag)
	}
	if err == nil {
		return
	}
	what := fmt.Sprintf("cannot be %q", n.written)
	if f.Tag.Get("sensitive") == "true" {
		what = "cannot be used"
	}
	if !n.variable() {
		what = path + " " + what
	}
	d.Reject(path, what, err.Error())
}

// secret decodes a secret, or reads it from the file that n names.
func (d *Document) secret(path string, n *node, v reflect.Value, f field) {
	if !d.is(scalar, path, n) {
		return
	}
	var (
		secret  Secret
		exposed bool
		err     error
		advice  = "give only the secret, on one line"
	)
	if f.namesFile() {
		secret, exposed, err = readSecret(d.dir, n.text)
		advice = "name a file that contains only the secret, on one line, and that this user can read"
	} else {
		secret, err = newSecret(n.called(f.key), n.text)
	}
	switch {
	case err != nil && f.namesFile():
		d.RejectFile(path, n.text, err, err.Error(), advice)
	case err != nil:
		d.Reject(path, err.Error(), advice)
	case exposed:
		d.Warn(path, "every user of this machine can read "+n.text, RemovePermission)
	case !f.namesFile() && n.text == n.written && !n.variable():
		d.Warn(path, f.key+" is in the configuration itself",
			"keep it in a file ("+f.key+"_file) or in the environment (${NAME})")
	}
	v.Set(reflect.ValueOf(secret))
}
