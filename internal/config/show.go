package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Masked prints what is in force as YAML, defaults included and secrets masked.
// Parsed again it gives the same configuration, secrets aside.
func (c *Config) Masked() []byte {
	return []byte(strings.Join(showSection(reflect.ValueOf(c).Elem()), "\n") + "\n")
}

// showSection prints the keys of a struct that are set or have a default.
func showSection(v reflect.Value) (lines []string) {
	for _, f := range fields(v.Type()) {
		value := v.FieldByIndex(f.Index)
		_, always := f.Tag.Lookup("default")
		if value.IsZero() && !always {
			continue
		}
		if secret, ok := value.Interface().(Secret); ok {
			lines = append(lines, secret.show(f)...)
			continue
		}
		lines = append(lines, showValue(f.key, value)...)
	}
	return lines
}

// show prints the file that a secret came from, or else a mask.
func (s Secret) show(f field) []string {
	switch isFile := f.key != f.name; {
	case isFile && s.file != "":
		return []string{f.key + ": " + quote(s.file)}
	case !isFile && s.file == "":
		return []string{f.key + ": " + quote(s.String())}
	}
	return nil
}

// showValue prints a key and its value.
func showValue(key string, v reflect.Value) []string {
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
	lines := []string{key + ":"}
	switch v.Kind() {
	case reflect.Slice:
		for _, item := range v.Seq2() {
			lines = append(lines, indent(asItem(showSection(item)))...)
		}
	case reflect.Map:
		names := v.MapKeys()
		slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, name := range names {
			lines = append(lines, quote(name.String())+":")
			lines = append(lines, indent(showSection(v.MapIndex(name)))...)
		}
		lines = append(lines[:1], indent(lines[1:])...)
	default:
		lines = append(lines, indent(showSection(v))...)
	}
	return lines
}

// showText prints a single value.
func showText(v reflect.Value) string {
	if v.CanInt() || v.Kind() == reflect.Bool { // Duration and Size print themselves
		return fmt.Sprint(v.Interface())
	}
	return quote(fmt.Sprint(v.Interface()))
}

// quote writes s so that this package, and any other reader of YAML, takes it for
// that text.
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

// asItem makes the keys of a struct an entry of a list: the hyphen goes before
// the first key, and comments before that stay before it.
func asItem(lines []string) []string {
	first := slices.IndexFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "#") })
	if first < 0 {
		return lines
	}
	item := slices.Clone(lines[:first])
	item = append(item, "- "+lines[first])
	return append(item, indent(lines[first+1:])...)
}
