package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// parts is what sabotages change in one source.
type parts struct {
	bodies []body
	values []value
}

// body is what a function does instead if the sabotage is chosen.
type body struct {
	sabotage, text, results string

	at int // the offset in the file behind the opening brace
}

// value is what a constant or variable of a package is instead if the sabotage is chosen.
type value struct {
	sabotage, text string

	name, kind string // kind is the type, "" if the value has it
	at         int    // the offset in the file of the name
}

// parts returns what s changes, by file. It reports false if s needs a tree of its own: it changes something else
// than bodies and values; or the body of a deferred function that recovers from a panic, which works in no other;
// or a constant that cannot become a variable.
func (s sabotage) parts(used constants) (map[string]parts, bool, error) {
	all := map[string]parts{}
	for file, edits := range s.byFile() {
		if filepath.Ext(file) != ".go" {
			return nil, false, nil
		}
		path := filepath.Join(s.root, file)
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, false, err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
		if err != nil {
			return nil, false, err
		}
		spans, err := spansOf(edits, source)
		if err != nil {
			return nil, false, err
		}
		fixed, err := used.in(filepath.Dir(path))
		if err != nil {
			return nil, false, err
		}
		changed, ok := s.changed(parsed, string(source), spans, fixed)
		if !ok {
			return nil, false, nil
		}
		all[file] = changed
	}
	return all, true, nil
}

// changed returns the parts of one file that the spans change, unless one of them is in no part. Constants with the
// names in fixed remain what they are.
func (s sabotage) changed(file *ast.File, source string, spans []span, fixed map[string]bool) (parts, bool) {
	var p parts
	made := 0
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			b, n := s.bodyOf(d, source, spans)
			if n > 0 && !movable(b.text) {
				return p, false
			}
			if n > 0 {
				p.bodies = append(p.bodies, b)
			}
			made += n
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, n := s.valueOf(spec, source, spans)
				if n > 0 && d.Tok == token.CONST && (fixed[v.name] || ast.IsExported(v.name) || !showsType(v.text)) {
					return p, false
				}
				if n > 0 {
					p.values = append(p.values, v)
				}
				made += n
			}
		}
	}
	return p, made == len(spans)
}

// bodyOf returns the body of a function with the spans in it made, and their number.
func (s sabotage) bodyOf(d *ast.FuncDecl, source string, spans []span) (body, int) {
	if d.Body == nil {
		return body{}, 0
	}
	// A position is an offset plus one: the file set has no other file.
	b := body{sabotage: s.name, at: int(d.Body.Lbrace)}
	text, made := within(source, b.at, int(d.Body.Rbrace)-1, spans)
	b.text = text
	if r := d.Type.Results; r != nil {
		b.results = source[int(r.Pos())-1 : int(r.End())-1]
	}
	return b, made
}

// valueOf returns the value of a constant or variable with the spans in it made, and their number.
func (s sabotage) valueOf(spec ast.Spec, source string, spans []span) (value, int) {
	d, ok := spec.(*ast.ValueSpec)
	if !ok || len(d.Values) != 1 {
		return value{}, 0
	}
	v := value{sabotage: s.name, name: d.Names[0].Name, at: int(d.Names[0].Pos()) - 1}
	text, made := within(source, int(d.Values[0].Pos())-1, int(d.Values[0].End())-1, spans)
	v.text = text
	if d.Type != nil {
		v.kind = source[int(d.Type.Pos())-1 : int(d.Type.End())-1]
	}
	return v, made
}

// movable reports whether text is the whole body of a function, and may run in a function within it.
func movable(text string) bool {
	function, err := parser.ParseExpr("func() {" + text + "}")
	if err != nil {
		return false
	}
	recovers := false
	ast.Inspect(function.(*ast.FuncLit).Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name, ok := call.Fun.(*ast.Ident)
			recovers = recovers || ok && name.Name == "recover"
		}
		_, inner := n.(*ast.FuncLit)
		return !inner
	})
	return !recovers
}

// showsType reports whether a constant of this value has the type of a variable that gets it: it is a text or a
// duration. A number may be used as one of any type.
func showsType(text string) bool {
	e, err := parser.ParseExpr(text)
	if err != nil {
		return false
	}
	shows := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			shows = shows || n.Kind == token.STRING
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			shows = shows || ok && x.Name == "time"
		}
		return true
	})
	return shows
}

// span is what an edit changes, without what is the same at the beginning and at the end of its texts: the bytes of
// the source from begin to end become text.
type span struct {
	begin, end int
	text       string
}

// spansOf returns the spans of edits, in the order of the source.
func spansOf(edits []edit, source []byte) ([]span, error) {
	var all []span
	for _, e := range edits {
		if _, err := e.apply(source); err != nil {
			return nil, err
		}
		before, after := e.old, e.new
		at := bytes.Index(source, []byte(e.old))
		for before != "" && after != "" && before[0] == after[0] {
			before, after = before[1:], after[1:]
			at++
		}
		for before != "" && after != "" && before[len(before)-1] == after[len(after)-1] {
			before, after = before[:len(before)-1], after[:len(after)-1]
		}
		all = append(all, span{at, at + len(before), after})
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	return all, nil
}

// within returns the source from begin to end with the spans in it made, and their number.
func within(source string, begin, end int, spans []span) (text string, made int) {
	text = source[begin:end]
	for _, s := range slices.Backward(spans) {
		if begin <= s.begin && s.end <= end {
			text = text[:s.begin-begin] + s.text + text[s.end-begin:]
			made++
		}
	}
	return text, made
}

// constants are the names of which constants are made, by directory.
type constants map[string]map[string]bool

// in returns the names in the constants of a package. These must be constants themselves.
func (c constants) in(dir string) (map[string]bool, error) {
	if c[dir] != nil {
		return c[dir], nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok == token.CONST {
				addNames(d, names)
			}
			return true
		})
	}
	c[dir] = names
	return names, nil
}

// addNames adds the names in the values of constants.
func addNames(d *ast.GenDecl, names map[string]bool) {
	for _, spec := range d.Specs {
		for _, v := range spec.(*ast.ValueSpec).Values {
			ast.Inspect(v, func(n ast.Node) bool {
				if name, ok := n.(*ast.Ident); ok {
					names[name.Name] = true
				}
				return true
			})
		}
	}
}

// intact is what the name of a constant or variable begins with that others choose from.
const intact = "sabotageIntact"

// withSwitches returns source with a switch at the beginning of each function that has other bodies, and instead of
// each value that has others.
func (p parts) withSwitches(source []byte) []byte {
	inserted := map[int]string{}
	for _, b := range p.bodies {
		inserted[b.at] += fmt.Sprintf("\nif sabotageChosen == %q {\n%s}\n", b.sabotage, b.call())
	}
	choices := map[string]string{}
	for _, v := range p.values {
		inserted[v.at] = intact
		declaration := "var " + v.name + " " + v.kind
		choices[declaration] = v.choice(cmp.Or(choices[declaration], intact+v.name))
	}
	for _, declaration := range slices.Sorted(maps.Keys(choices)) {
		inserted[len(source)] += "\n" + declaration + " = " + choices[declaration] + "\n"
	}
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(inserted))) {
		source = slices.Insert(source, at, []byte(inserted[at])...)
	}
	return source
}

// call runs the body as a function within the function: its results, labels and deferred calls stay its own.
func (b body) call() string {
	if b.results == "" {
		return "func() {" + b.text + "}()\nreturn\n"
	}
	return "return func() " + b.results + " {" + b.text + "}()\n"
}

// choice is the changed value if the sabotage is chosen, or another.
func (v value) choice(other string) string {
	kind := v.kind
	if kind != "" {
		kind = "[" + kind + "]"
	}
	return fmt.Sprintf("sabotageOr%s(%q, %s, %s)", kind, v.sabotage, v.text, other)
}
