package strictyaml

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Schema returns the JSON Schema (draft 7, which editors read) of documents for the
// struct type schema. sources has the Go files that declare the structs; the comments of
// their fields are the descriptions.
//
// The schema accepts every document that [Document.Decode] accepts, and refuses unknown
// keys, missing keys, and values of the wrong form. A value may contain a variable,
// ${NAME}, so it has the form of a text as well.
func Schema(schema reflect.Type, title string, sources fs.FS) []byte {
	d := describer{comments(sources)}
	root := d.section(schema)
	root.Dialect = "http://json-schema.org/draft-07/schema#"
	root.Title = title
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	to.SetIndent("", "  ")
	if err := to.Encode(root); err != nil {
		panic("strictyaml: the schema is not JSON: " + err.Error())
	}
	return text.Bytes()
}

// rule is a JSON Schema.
type rule struct {
	Dialect     string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"` // a name or several
	Enum        []any            `json:"enum,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Minimum     *int64           `json:"minimum,omitempty"`
	Maximum     *int64           `json:"maximum,omitempty"`
	Default     any              `json:"default,omitempty"`
	Examples    []any            `json:"examples,omitempty"`
	AnyOf       []*rule          `json:"anyOf,omitempty"`
	OneOf       []*rule          `json:"oneOf,omitempty"`
	AllOf       []*rule          `json:"allOf,omitempty"`
	Not         *rule            `json:"not,omitempty"`
	Items       *rule            `json:"items,omitempty"`
	MinItems    int              `json:"minItems,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Properties  map[string]*rule `json:"properties,omitempty"`
	MinKeys     int              `json:"minProperties,omitempty"`
	More        any              `json:"additionalProperties,omitempty"` // false or a rule
}

// variable is the pattern of a text with ${NAME}; what it becomes is not known.
const variable = `\$\{`

type describer struct{ comments map[string]string }

// section describes the keys of a struct. A section that requires nothing may be empty.
func (d describer) section(t reflect.Type) *rule {
	r := &rule{Properties: map[string]*rule{}, More: false}
	for _, f := range fields(t) {
		p := d.key(f)
		p.Description = paragraph(d.comments[t.Name()+"."+f.Name])
		r.Properties[f.key] = p
		required := f.Tag.Get("required") != ""
		switch {
		case !isSecret(f.Type) && required:
			r.Required = append(r.Required, f.key)
		case f.namesFile() && required:
			r.AllOf = append(r.AllOf, &rule{OneOf: []*rule{{Required: []string{f.key}}, {Required: []string{f.name}}}})
		case f.namesFile():
			both := &rule{Type: "object", Required: []string{f.key, f.name}} // an empty section has neither
			r.AllOf = append(r.AllOf, &rule{Not: both})
		}
	}
	r.Type = []string{"object", "null"}
	if r.Required != nil {
		r.Type = "object"
	}
	return r
}

// key describes the value of a key.
func (d describer) key(f field) *rule {
	least := 0
	if f.Tag.Get("required") != "" {
		least = 1
	}
	switch {
	case isText(f.Type):
		return value(f.Type, f)
	case f.Type.Kind() == reflect.Struct:
		return d.section(f.Type)
	case f.Type.Kind() == reflect.Map:
		return &rule{Type: "object", More: d.item(f), MinKeys: least}
	}
	list := &rule{Type: "array", Items: d.item(f), MinItems: least}
	if isText(f.Type.Elem()) { // one value is a list of one
		return &rule{AnyOf: []*rule{d.item(f), list}}
	}
	return list
}

// item describes a value of a list or mapping.
func (d describer) item(f field) *rule {
	t := f.Type.Elem()
	if isText(t) {
		return value(t, f)
	}
	return d.section(t)
}

// value describes a single value of type t under the key f.
func value(t reflect.Type, f field) *rule {
	r := form(t)
	low, high, _ := strings.Cut(f.Tag.Get("range"), "..")
	if isNumber(t) {
		r.Minimum, r.Maximum = bound(low), bound(high)
	}
	if choices, ok := f.Tag.Lookup("oneof"); ok {
		choice := &rule{}
		for c := range strings.SplitSeq(choices, "|") {
			choice.Enum = append(choice.Enum, c)
			if n, err := strconv.ParseFloat(c, 64); err == nil { // 1.2 without quotes is a number
				choice.Enum = append(choice.Enum, n)
			}
		}
		r = &rule{AnyOf: []*rule{choice, {Type: "string", Pattern: variable}}}
	}
	if text, ok := f.Tag.Lookup("default"); ok {
		r.Default = literal(t, text)
	} else if f.Type == t { // an example of a list is written as YAML
		r.Examples = []any{literal(t, f.sample())}
	}
	return r
}

// form describes the values of a type. Patterns hold for texts only.
func form(t reflect.Type) *rule {
	const whole = `(0|[1-9][0-9]*)`
	or := "$|" + variable
	switch t {
	case reflect.TypeFor[Duration]():
		zero := int64(0)
		pattern := `^(0|(` + whole + `(ms|s|m|h|d|w|y))+)` + or
		return &rule{Type: []string{"string", "integer"}, Minimum: &zero, Maximum: &zero, Pattern: pattern}
	case reflect.TypeFor[Size]():
		zero := int64(0)
		pattern := `^(0|` + whole + `(B|[KMGT]i?B))` + or
		return &rule{Type: []string{"string", "integer"}, Minimum: &zero, Maximum: &zero, Pattern: pattern}
	case reflect.TypeFor[Rate]():
		return &rule{Type: "string", Pattern: `^` + whole + `/(min|s)` + or}
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return &rule{Type: []string{"integer", "string"}, Pattern: `^` + whole + or}
	case reflect.Bool:
		return &rule{Type: []string{"boolean", "string"}, Pattern: `^(true|false)` + or}
	}
	// Decode takes a text as it is written, whatever YAML makes of it.
	return &rule{Type: []string{"string", "number", "boolean"}}
}

// isNumber reports whether values of type t are numbers without a unit.
func isNumber(t reflect.Type) bool {
	return t == reflect.TypeFor[int]() || t == reflect.TypeFor[int64]()
}

// bound reads an end of a range, nil for none.
func bound(text string) *int64 {
	n, ok := WholeNumber(text)
	if !ok {
		return nil
	}
	return &n
}

// literal is a value of type t in JSON.
func literal(t reflect.Type, text string) any {
	switch n, ok := WholeNumber(text); {
	case t.Kind() == reflect.Bool:
		return text == "true"
	case ok && isNumber(t) && n < math.MaxInt64:
		return n
	}
	return text
}

// paragraph joins the lines of a comment.
func paragraph(comment string) string { return strings.Join(strings.Fields(comment), " ") }
