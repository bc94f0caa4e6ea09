package strictyaml

import (
	"io/fs"
	"reflect"
	"strings"
)

// Key is a key of a document, for manuals.
type Key struct {
	Path        string // such as routes[].match.user; an upper-case name is chosen by the operator
	Explanation string // one paragraph
	Value       string // its default or an example, and what else it can be; "" for a section
}

// Keys lists the keys of the struct type schema, each section followed by its keys.
// sources has the Go files that declare the structs; the comments of their fields are
// the explanations.
func Keys(schema reflect.Type, sources fs.FS) []Key { return keysOf(schema, "", comments(sources)) }

func keysOf(t reflect.Type, path string, comments map[string]string) (keys []Key) {
	for _, f := range fields(t) {
		here := Join(path, f.key)
		key := Key{Path: here, Explanation: paragraph(comments[t.Name()+"."+f.Name])}
		inner := f.inner()
		if isText(inner) {
			key.Value = f.summary()
			keys = append(keys, key)
			continue
		}
		switch f.Type.Kind() {
		case reflect.Map:
			here += ".NAME"
		case reflect.Slice:
			here += "[]"
		}
		keys = append(keys, key)
		keys = append(keys, keysOf(inner, here, comments)...)
	}
	return keys
}

// summary describes the values of a key in a line.
func (f field) summary() string {
	kind := "example"
	if _, ok := f.Tag.Lookup("default"); ok {
		kind = "default"
	}
	text := kind + ": " + f.sample()
	choices := strings.ReplaceAll(f.Tag.Get("oneof"), "|", ", ")
	if f.Type.Kind() == reflect.Bool {
		choices = "true, false"
	}
	if low, high, ranged := strings.Cut(f.Tag.Get("range"), ".."); ranged {
		choices = rangeText(low, high)
	}
	if choices == "" {
		return text
	}
	return text + "; values: " + choices
}
