package config

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// field is a key of a struct. A Secret has two: one with _file, which
// names a file that holds it, and its own.
type field struct {
	reflect.StructField
	name string // what paths call it
	key  string // what the configuration calls it
}

// fields lists the keys of a struct type, in order.
func fields(t reflect.Type) []field {
	var fs []field
	for f := range t.Fields() {
		name, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		if isSecret(f.Type) {
			fs = append(fs, field{f, name, name + "_file"})
		}
		fs = append(fs, field{f, name, name})
	}
	return fs
}

func isSecret(t reflect.Type) bool { return t == reflect.TypeFor[Secret]() }

// isText reports whether a type is written as a single value.
func isText(t reflect.Type) bool {
	return isSecret(t) || slices.Contains([]reflect.Kind{reflect.String, reflect.Int, reflect.Int64, reflect.Bool}, t.Kind()) ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// join adds a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// setDefaults sets what the default tags of a struct, and of the structs within,
// say. A tag that does not parse is a mistake in this package.
func setDefaults(v reflect.Value) {
	for _, f := range fields(v.Type()) {
		to := v.FieldByIndex(f.Index)
		if text, ok := f.Tag.Lookup("default"); ok {
			if err := setText(to, text); err != nil {
				panic("config: default of " + f.Name + ": " + err.Error())
			}
		} else if to.Kind() == reflect.Struct && !isText(f.Type) {
			setDefaults(to)
		}
	}
}

// called names a path for people.
func called(path string) string {
	if path == "" {
		return "the configuration"
	}
	return path
}

// decode fills the configuration from the tree.
func (l *loader) decode(root *node) {
	v := reflect.ValueOf(l.config).Elem()
	setDefaults(v)
	l.at[""] = root.at
	l.section("", root, v)
}

// value decodes the value n at path into v.
func (l *loader) value(path string, n *node, v reflect.Value, f field) {
	switch {
	case n.kind == broken:
		l.bad[path] = true
	case isSecret(v.Type()):
		l.secret(path, n, v, f)
	case isText(v.Type()):
		l.text(path, n, v, f)
	case v.Kind() == reflect.Struct:
		l.section(path, n, v)
	case v.Kind() == reflect.Map:
		l.named(path, n, v)
	case v.Kind() == reflect.Slice:
		l.list(path, n, v, f)
	}
}

// is notes a problem where n is not what path wants.
func (l *loader) is(want kind, path string, n *node) bool {
	if n.kind == want {
		return true
	}
	advice := map[kind]string{
		scalar:   "give a single value, or leave the key out",
		mapping:  "write keys and values, indented, below it",
		sequence: "write a list, each entry indented behind a hyphen (- )",
	}
	l.add(path, fmt.Sprintf("%s has %s", called(path), n.kind), advice[want])
	return false
}

// pairs lists the keys of n and their values, each key once, and records where
// they stand. name says what paths call a key.
func (l *loader) pairs(path string, n *node, name func(key string) string) []pair {
	first := map[string]pair{}
	var once []pair
	for _, p := range n.pairs {
		earlier, repeated := first[name(p.key)]
		switch {
		case !repeated:
			first[name(p.key)] = p
			once = append(once, p)
			l.at[join(path, name(p.key))] = p.where()
		case earlier.key == p.key:
			l.note(p.at, fmt.Sprintf("%s is given twice, first in line %d", p.key, earlier.at.line), "keep one")
		default:
			l.note(p.at, fmt.Sprintf("%s and %s are both given", earlier.key, p.key), "keep one")
		}
	}
	return once
}

// section decodes the keys of a struct. A section without keys leaves them all
// to their defaults.
func (l *loader) section(path string, n *node, v reflect.Value) {
	if n.kind != empty && !l.is(mapping, path, n) {
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
	for _, p := range l.pairs(path, n, name) {
		if i := find(p.key); i >= 0 {
			l.value(join(path, known[i].name), p.value, v.FieldByIndex(known[i].Index), known[i])
		} else {
			l.unknown(p, known)
		}
	}
	for _, f := range known {
		if f.Tag.Get("required") != "" && f.key == f.name && isNothing(v.FieldByIndex(f.Index)) {
			l.missing(path, n, f)
		}
	}
}

// isNothing reports whether v holds nothing that an operator gave.
func isNothing(v reflect.Value) bool {
	if v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

// missing notes that a required key of a section has no value.
func (l *loader) missing(path string, n *node, f field) {
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
	if l.from[join(path, f.name)] != "" {
		what = "is not set"
	}
	l.add(join(path, f.name), what, f.Tag.Get("required"))
}

// named decodes a mapping whose keys are names of the operator's own.
func (l *loader) named(path string, n *node, v reflect.Value) {
	if !l.is(mapping, path, n) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range l.pairs(path, n, func(key string) string { return key }) {
		item := reflect.New(v.Type().Elem()).Elem()
		setDefaults(item)
		l.value(join(path, p.key), p.value, item, field{})
		v.SetMapIndex(reflect.ValueOf(p.key), item)
	}
}

// list decodes a list. Where a list of plain values is wanted, one value is a
// list of one.
func (l *loader) list(path string, n *node, v reflect.Value, f field) {
	item := v.Type().Elem()
	items := n.items
	if n.kind == scalar && isText(item) {
		items = []*node{n}
	} else if !l.is(sequence, path, n) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, n := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		l.at[at] = n.at
		if !isText(item) {
			setDefaults(v.Index(i))
		}
		l.value(at, n, v.Index(i), f)
	}
}

// text decodes a single value.
func (l *loader) text(path string, n *node, v reflect.Value, f field) {
	if n.kind == scalar && n.text == "" {
		n = &node{kind: empty}
	}
	if !l.is(scalar, path, n) {
		return
	}
	err := setText(v, n.text)
	if err == nil {
		err = check(v, f.Tag)
	}
	if err != nil {
		what := fmt.Sprintf("cannot be %q", n.written)
		if v.Type() == reflect.TypeFor[PasswordHash]() {
			what = "cannot be used" // it may be the password itself
		}
		if n.at.line > 0 {
			what = path + " " + what
		}
		l.add(path, what, err.Error())
	}
}

// secret decodes a secret, or reads it from the file that n names.
func (l *loader) secret(path string, n *node, v reflect.Value, f field) {
	if !l.is(scalar, path, n) {
		return
	}
	var (
		secret  Secret
		exposed bool
		err     error
		advice  = "give the secret alone, on one line"
	)
	if f.key == f.name {
		secret, err = newSecret(f.key, n.text)
	} else {
		secret, exposed, err = readSecret(l.dir, n.text)
		advice = "name a file that holds the secret alone, on one line, and that this user can read"
	}
	switch {
	case err != nil:
		l.add(path, err.Error(), advice)
	case exposed:
		l.advise(path, "everybody on this machine can read "+n.text, "take that right away (chmod o-r)")
	case f.key == f.name && n.text == n.written:
		l.advise(path, f.key+" stands in the configuration itself", "keep it in a file ("+f.key+"_file) or in the environment (${NAME})")
	}
	v.Set(reflect.ValueOf(secret))
}

// setText sets v, a type for which isText holds and that is no secret. The error
// says how to write a value.
func setText(v reflect.Value, text string) error {
	if to, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return to.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("write true or false")
		}
		v.SetBool(text == "true")
		return nil
	}
	n, ok := wholeNumber(text)
	if !ok || v.OverflowInt(n) {
		return errors.New("write a whole number: digits, the first of them not 0")
	}
	v.SetInt(n)
	return nil
}

// check compares a value with its tags. The error says what can be chosen.
func check(v reflect.Value, tag reflect.StructTag) error {
	if choices, ok := tag.Lookup("oneof"); ok && !slices.Contains(strings.Split(choices, "|"), v.String()) {
		return errors.New("choose " + listed(strings.Split(choices, "|")))
	}
	low, high, ok := strings.Cut(tag.Get("range"), "..")
	if !ok {
		return nil
	}
	beyond := func(bound string, sign int) bool {
		limit := reflect.New(v.Type()).Elem()
		return bound != "" && setText(limit, bound) == nil && sign*cmp.Compare(v.Int(), limit.Int()) > 0
	}
	if beyond(low, -1) || beyond(high, 1) {
		return errors.New("choose " + rangeText(low, high))
	}
	return nil
}

// listed writes choices as people do: a, b or c.
func listed(choices []string) string {
	last := len(choices) - 1
	if last == 0 {
		return choices[0]
	}
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

// rangeText says in words what a range tag allows.
func rangeText(low, high string) string {
	if high == "" {
		return low + " or more"
	}
	return low + " to " + high
}
