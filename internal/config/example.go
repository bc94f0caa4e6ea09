package config

import (
	_ "embed"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"reflect"
	"slices"
	"strings"
)

// structs is the source of the structs: their comments are what Example says.
//
//go:embed config.go
var structs string

const heading = `# The configuration of heyrelay: every key, what it means, and its default.
#
# A line that begins with # and a blank explains. One that begins with # and a
# key shows its default, or an example where it says so: take the # away to
# change it. What stands here without a # is all that has to be.
#
# Durations have the units ms, s, m, h, d, w and y: 30s, 1h30m, 5d.
# Sizes are in B, KB, MB and GB (powers of 1000) or KiB, MiB and GiB (of 1024).
# ${NAME} in a value is the environment variable NAME; $${ is ${ itself.
# A list of one value can be written as that value.
`

// Example gives a configuration file to start from: every key with its
// explanation and default, commented out, save for the smallest part that works.
func Example() []byte {
	e := example{comments()}
	lines := e.section(reflect.TypeFor[Config](), false)
	return []byte(heading + "\n" + strings.Join(lines, "\n") + "\n")
}

// comments reads the comments of this package's structs, by "Type.Field".
func comments() map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", structs, parser.ParseComments)
	if err != nil {
		panic("config: its own source does not parse: " + err.Error())
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				found[spec.Name.Name+"."+f.Names[0].Name] = f.Doc.Text()
			}
		}
		return false
	})
	return found
}

type example struct{ comments map[string]string }

// section writes the keys of a struct. With all, no key is commented out.
func (e example) section(t reflect.Type, all bool) (lines []string) {
	before := ""
	for _, f := range fields(t) {
		if f.name != before {
			if before != "" {
				lines = append(lines, "")
			}
			text := strings.TrimSpace(e.comments[t.Name()+"."+f.Name])
			lines = append(lines, prefixed(strings.Split(text, "\n"), "# ")...)
		}
		before = f.name
		lines = append(lines, e.key(f, all)...)
	}
	return lines
}

// key writes one key with its value.
func (e example) key(f field, all bool) []string {
	inner := f.Type
	if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
		inner = inner.Elem()
	}
	if isText(inner) {
		line := f.key + ": " + f.sample()
		if !all && !f.starts() {
			line = "#" + line
		}
		return []string{line + f.note()}
	}
	lines := []string{f.key + ":"}
	switch f.Type.Kind() {
	case reflect.Struct:
		return append(lines, indent(e.section(inner, all))...)
	case reflect.Map:
		named := append([]string{f.Tag.Get("start") + ":"}, indent(e.section(inner, all))...)
		return append(lines, indent(named)...)
	}
	live := all || slices.ContainsFunc(fields(inner), field.starts)
	lines = append(lines, indent(asItem(e.section(inner, all || !live)))...)
	if !live {
		lines = prefixed(lines, "#")
	}
	return lines
}

// starts reports whether a key belongs to the smallest part that works.
func (f field) starts() bool {
	_, ok := f.Tag.Lookup("start")
	return ok && (f.key != f.name || !isSecret(f.Type))
}

// sample is the value that the example shows.
func (f field) sample() string {
	sample := f.Tag.Get("start") + f.Tag.Get("example") + f.Tag.Get("default")
	if isSecret(f.Type) && f.key == f.name {
		return "${" + strings.ToUpper(path.Base(sample)) + "}"
	}
	return sample
}

// note says behind a value what else it can be.
func (f field) note() string {
	low, high, ranged := strings.Cut(f.Tag.Get("range"), "..")
	switch choices := f.Tag.Get("oneof"); {
	case f.Type.Kind() == reflect.Bool:
		return "  # true | false"
	case strings.Contains(choices, "|"):
		return "  # " + strings.ReplaceAll(choices, "|", " | ")
	case !f.starts() && (f.Tag.Get("example") != "" || isSecret(f.Type)):
		return "  # an example"
	case ranged:
		return "  # " + rangeText(low, high)
	}
	return ""
}
