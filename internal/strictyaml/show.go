package strictyaml

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Show prints the struct that from points to as YAML, defaults included and secrets
// masked. Decoded again it gives the same struct, except for secrets.
func Show(from any) []byte { return shower{}.document(from) }

// ShowChanged prints what Show does, except the keys whose value is their default.
func ShowChanged(from any) []byte { return shower{changed: true}.document(from) }

// shower prints structs: all of their keys, or only those that are changed.
type shower struct{ changed bool }

func (s shower) document(from any) []byte {
	return []byte(strings.Join(s.section(reflect.ValueOf(from).Elem()), "\n") + "\n")
}

// section prints the keys of a struct that are set or have a default.
func (s shower) section(v reflect.Value) (lines []string) {
	for _, f := range fields(v.Type()) {
		value := v.FieldByIndex(f.Index)
		if s.skips(f, value) {
			continue
		}
		if secret, ok := value.Interface().(Secret); ok {
			lines = append(lines, secret.show(f)...)
			continue
		}
		lines = append(lines, s.value(f.key, value)...)
	}
	return lines
}

// skips reports whether a key is not printed.
func (s shower) skips(f field, v reflect.Value) bool {
	text, hasDefault := f.Tag.Lookup("default")
	switch {
	case !hasDefault:
		return v.IsZero()
	case !s.changed:
		return false
	}
	usual := reflect.New(v.Type()).Elem()
	err := setText(usual, text)
	return err == nil && v.Equal(usual)
}

// show prints the file that a secret came from, or else a mask.
func (s Secret) show(f field) []string {
	switch {
	case f.namesFile() && s.file != "":
		return []string{f.key + ": " + quote(s.file)}
	case !f.namesFile() && s.file == "":
		return []string{f.key + ": " + quote(s.String())}
	}
	return nil
}

// value prints a key and its value.
func (s shower) value(key string, v reflect.Value) []string {
	switch {
	case isText(v.Type()):
		return []string{key + ": " + showText(v)}
	case v.Kind() == reflect.Slice && isText(v.Type().Elem()):
		var items []string
		for _, item := range v.Seq2() {
			items = append(items, showText(item))
		}
		return []string{key + ": [" + strings.Join(items, ", ") + "]"}
	}
	var lines []string
	switch v.Kind() {
	case reflect.Slice:
		for _, item := range v.Seq2() {
			lines = append(lines, s.item(item)...)
		}
	case reflect.Map:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			lines = append(lines, s.entry(quote(name.String()), v.MapIndex(name))...)
		}
	default:
		lines = s.section(v)
		if len(lines) == 0 {
			return nil
		}
	}
	return append([]string{key + ":"}, indent(lines)...)
}

// entry prints an entry of a map.
func (s shower) entry(name string, v reflect.Value) []string {
	if isText(v.Type()) {
		return []string{name + ": " + showText(v)}
	}
	return append([]string{name + ":"}, indent(s.section(v))...)
}

// item prints an entry of a list of structs.
func (s shower) item(v reflect.Value) []string {
	lines := s.section(v)
	if len(lines) == 0 {
		return []string{"- {}"}
	}
	return asItem(lines)
}

// showText prints a single value.
func showText(v reflect.Value) string {
	if v.CanInt() || v.Kind() == reflect.Bool { // Duration and Size print themselves
		return fmt.Sprint(v.Interface())
	}
	return quote(fmt.Sprint(v.Interface()))
}

// quote writes s so that this package, and any other reader of YAML, reads that
// text.
func quote(s string) string {
	plain := regexp.MustCompile(`^[A-Za-z0-9/.]+([A-Za-z0-9_./@+-]|:[A-Za-z0-9_./@+-])*$`)
	s = strings.ReplaceAll(s, "${", "$${")
	_, err := strconv.ParseFloat(s, 64)
	if number := err == nil; plain.MatchString(s) && !number && !token.IsNeedQuoted(s) {
		return s
	}
	return strconv.Quote(s)
}

// indent moves lines that are not empty to the right.
func indent(lines []string) []string { return prefixed(lines, "  ") }

func prefixed(lines []string, with string) []string {
	moved := make([]string, len(lines))
	for i, line := range lines {
		if line != "" {
			moved[i] = with + line
		}
	}
	return moved
}

// asItem turns the keys of a struct into an entry of a list: the hyphen goes before
// the first key, and comments before that key stay before it.
func asItem(lines []string) []string {
	first := slices.IndexFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "#") })
	if first < 0 {
		return lines
	}
	item := slices.Clone(lines[:first])
	item = append(item, "- "+lines[first])
	return append(item, indent(lines[first+1:])...)
}
