package strictyaml

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strings"
)

// Example returns a file to start from: every key of the struct type schema with
// its explanation and default, commented out, except the smallest part that works.
// sources has the Go files that declare the structs; the comments of their fields are
// the explanations.
func Example(schema reflect.Type, sources fs.FS) []byte {
	e := example{comments: comments(sources)}
	return e.text(schema)
}

// Start returns what Example does, without the keys that are commented out.
func Start(schema reflect.Type, sources fs.FS) []byte {
	e := example{comments: comments(sources), short: true}
	return e.text(schema)
}

// comments reads the comments of structs, by "Type.Field".
func comments(sources fs.FS) map[string]string {
	found := map[string]string{}
	names, err := fs.Glob(sources, "*.go")
	if err != nil {
		panic("strictyaml: the sources of the structs are not listed: " + err.Error())
	}
	for _, name := range names {
		addComments(found, sources, name)
	}
	return found
}

// addComments adds those of one Go file.
func addComments(found map[string]string, sources fs.FS, name string) {
	source, err := fs.ReadFile(sources, name)
	if err != nil {
		panic("strictyaml: the source of the structs is not read: " + err.Error())
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
	if err != nil {
		panic("strictyaml: the source of the structs does not parse: " + err.Error())
	}
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
}

type example struct {
	comments map[string]string
	short    bool // only the smallest part that works
}

func (e example) text(schema reflect.Type) []byte {
	return []byte(strings.Join(e.section(schema, false), "\n") + "\n")
}

// section writes the keys of a struct. With all, no key is commented out.
func (e example) section(t reflect.Type, all bool) (lines []string) {
	before := ""
	for _, f := range fields(t) {
		if e.short && !f.leads() {
			continue
		}
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
	inner := f.inner()
	if isText(inner) {
		line := f.key + ": " + f.sample()
		if !all && !f.starts() {
			line = "#" + line
		}
		return []string{line + f.remark()}
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
	return ok && (f.namesFile() || !isSecret(f.Type))
}

// leads reports whether a key starts, or one below it.
func (f field) leads() bool {
	inner := f.inner()
	if isText(inner) {
		return f.starts()
	}
	return slices.ContainsFunc(fields(inner), field.leads)
}

// sample returns the value that the example shows.
func (f field) sample() string {
	sample := f.Tag.Get("start") + f.Tag.Get("example") + f.Tag.Get("default")
	if isSecret(f.Type) && !f.namesFile() {
		return "${" + strings.ToUpper(path.Base(sample)) + "}"
	}
	return sample
}

// remark returns a comment after the value: what else it can be.
func (f field) remark() string {
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
