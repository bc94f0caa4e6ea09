package strictyaml

import (
	"cmp"
	"encoding"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// field is a key of a struct. A Secret has two: one with _file, which names a file
// that holds it, and its own.
type field struct {
	reflect.StructField
	name string // in paths
	key  string // in the document
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

// namesFile reports whether the key names the file of a secret.
func (f field) namesFile() bool { return f.key != f.name }

// inner returns the type of a value of the key: of one entry, for a list or mapping.
func (f field) inner() reflect.Type {
	if f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map {
		return f.Type.Elem()
	}
	return f.Type
}

// isText reports whether a type is written as a single value.
func isText(t reflect.Type) bool {
	plain := []reflect.Kind{reflect.String, reflect.Int, reflect.Int64, reflect.Bool}
	return isSecret(t) || slices.Contains(plain, t.Kind()) ||
		reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// Join adds a key to a path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// SetDefaults sets the defaults of the struct that into points to, as Decode does.
func SetDefaults(into any) { setDefaults(reflect.ValueOf(into).Elem()) }

// setDefaults follows the default tags of a struct and of the structs within it. A
// tag that does not parse is a mistake in the program.
func setDefaults(v reflect.Value) {
	for _, f := range fields(v.Type()) {
		to := v.FieldByIndex(f.Index)
		if text, ok := f.Tag.Lookup("default"); ok {
			if err := setText(to, text); err != nil {
				panic("strictyaml: default of " + f.Name + ": " + err.Error())
			}
		} else if to.Kind() == reflect.Struct && !isText(f.Type) {
			setDefaults(to)
		}
	}
}

// setText sets v, whose type satisfies isText and is not a Secret. The error
// explains how to write a value.
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
	n, ok := WholeNumber(text)
	if !ok || v.OverflowInt(n) {
		return errors.New("write a whole number: digits without a leading 0")
	}
	v.SetInt(n)
	return nil
}

// check compares a value with its tags. The error names the choices.
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

// rangeText writes what a range tag allows.
func rangeText(low, high string) string {
	if high == "" {
		return low + " or more"
	}
	return low + " to " + high
}

// isEmpty reports whether v holds nothing that an operator gave.
func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}
