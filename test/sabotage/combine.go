package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// variable selects the sabotage that a combined binary commits. Tests pass their variables of that prefix to the
// programs that they start.
const variable = "GOSABOTAGE"

// chosen declares, in each package with switches, the name that they compare.
const chosen = "package %s\n\nimport \"os\"\n\nvar sabotageChosen = os.Getenv(%q)\n"

// combination is one tree with the sabotages of many files in it. In each function that one of them changes stands
// a switch: the changed body runs if the variable names the sabotage.
type combination struct {
	root    string
	bodies  map[string][]body // by file
	members []sabotage
}

// body is what a function does instead if the sabotage is chosen.
type body struct {
	sabotage string
	function *ast.FuncDecl
	text     string
	at       int // the offset in the file behind the opening brace
	results  string
}

// combine divides the sabotages into those that one tree can hold, and those that need a tree of their own: they
// change something outside the body of a function, or a function that recovers from a panic, which works in no
// function but the deferred one itself.
func combine(root string, all []sabotage) (*combination, []sabotage, error) {
	c := &combination{root: root, bodies: map[string][]body{}}
	var alone []sabotage
	for _, s := range all {
		bodies, ok, err := s.bodies()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if !ok {
			alone = append(alone, s)
			continue
		}
		c.members = append(c.members, s)
		for file, changed := range bodies {
			c.bodies[file] = append(c.bodies[file], changed...)
		}
	}
	return c, alone, nil
}

// bodies returns the functions that s changes, by file. It reports false if s needs a tree of its own.
func (s sabotage) bodies() (map[string][]body, bool, error) {
	bodies := map[string][]body{}
	for file, edits := range s.byFile() {
		if filepath.Ext(file) != ".go" {
			return nil, false, nil
		}
		source, err := os.ReadFile(filepath.Join(s.root, file))
		if err != nil {
			return nil, false, err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
		if err != nil {
			return nil, false, err
		}
		for _, e := range edits {
			if _, err := e.apply(source); err != nil {
				return nil, false, err
			}
		}
		changed := s.changed(parsed, string(source), edits)
		if changed == nil {
			return nil, false, nil
		}
		bodies[file] = changed
	}
	return bodies, true, nil
}

// changed returns the bodies that the edits of one file change, or nil if one of the edits is not within a body.
func (s sabotage) changed(file *ast.File, source string, edits []edit) []body {
	inside := 0
	var bodies []body
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		// A position is an offset plus one: the file set has no other file.
		begin := int(f.Body.Lbrace)
		end := int(f.Body.Rbrace) - 1
		text := source[begin:end]
		before := inside
		for _, e := range edits {
			if strings.Contains(text, e.old) {
				text = strings.Replace(text, e.old, e.new, 1)
				inside++
			}
		}
		if inside == before {
			continue
		}
		if !complete(text) || strings.Contains(text, "recover()") {
			return nil
		}
		b := body{sabotage: s.name, function: f, text: text, at: begin}
		if r := f.Type.Results; r != nil {
			b.results = source[int(r.Pos())-1 : int(r.End())-1]
		}
		bodies = append(bodies, b)
	}
	if inside < len(edits) {
		return nil
	}
	return bodies
}

// complete reports whether text is the whole body of a function.
func complete(text string) bool {
	_, err := parser.ParseExpr("func() {" + text + "}")
	return err == nil
}

// overlay writes the sources with switches into dir, and the file that makes the compiler take them.
func (c *combination) overlay(dir string) (string, error) {
	sources := map[string][]byte{}
	for file, bodies := range c.bodies {
		source, err := os.ReadFile(filepath.Join(c.root, file))
		if err != nil {
			return "", err
		}
		sources[file] = withSwitches(source, bodies)
		parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.PackageClauseOnly)
		if err != nil {
			return "", err
		}
		choice := filepath.Join(filepath.Dir(file), "sabotage_chosen.go")
		sources[choice] = fmt.Appendf(nil, chosen, parsed.Name.Name, variable)
	}
	return writeOverlay(c.root, dir, sources)
}

// withSwitches returns source with a switch at the beginning of each function that has other bodies.
func withSwitches(source []byte, bodies []body) []byte {
	switches := map[int]*strings.Builder{}
	for _, b := range bodies {
		if switches[b.at] == nil {
			switches[b.at] = &strings.Builder{}
		}
		fmt.Fprintf(switches[b.at], "\nif sabotageChosen == %q {\n%s}\n", b.sabotage, b.call())
	}
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(switches))) {
		source = slices.Insert(source, at, []byte(switches[at].String())...)
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

// build compiles the tests of each package once, into dir. It returns a trial for each sabotage, and one for each
// package whose tests must pass while none is chosen.
func (c *combination) build(dir string) ([]trial, error) {
	if len(c.members) == 0 {
		return nil, nil
	}
	overlay, err := c.overlay(dir)
	if err != nil {
		return nil, err
	}
	packages := map[string][]sabotage{}
	for _, s := range c.members {
		packages[s.pkg] = append(packages[s.pkg], s)
	}
	binaries := filepath.Join(dir, "tests") + string(filepath.Separator)
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binaries}
	cmd := exec.Command("go", append(args, slices.Sorted(maps.Keys(packages))...)...)
	cmd.Dir = c.root
	cmd.Env = environment(overlay)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building all sabotages as one: %w\n%s", err, out)
	}
	var trials []trial
	for pkg, members := range packages {
		b := binary{path: binaries + filepath.Base(pkg) + ".test", dir: filepath.Join(c.root, pkg), overlay: overlay}
		for depth, tests := range byDepth(members) {
			name := fmt.Sprintf("nothing in %s, depth %d", pkg, depth)
			trials = append(trials, trial{name, func() string { return b.passes(tests) }})
		}
		for _, s := range members {
			trials = append(trials, trial{s.name, func() string { return s.judge(b.run(s.name, s.tests)) }})
		}
	}
	return trials, nil
}

// byDepth returns the tests of all members by the number of their levels: a pattern with more levels than a test
// has would run that test without its subtests.
func byDepth(members []sabotage) map[int][]string {
	tests := map[int][]string{}
	for _, s := range members {
		for _, test := range s.tests {
			depth := strings.Count(test, "/")
			if !slices.Contains(tests[depth], test) {
				tests[depth] = append(tests[depth], test)
			}
		}
	}
	return tests
}

// binary is the tests of a package with all sabotages in it.
type binary struct{ path, dir, overlay string }

// run runs tests with the sabotage chosen.
func (b binary) run(sabotage string, tests []string) ([]byte, error) {
	cmd := exec.Command(b.path, "-test.count=1", "-test."+timeout[1:], "-test.run", pattern(tests))
	cmd.Dir = b.dir
	cmd.WaitDelay = 10 * time.Second // for a program that the test left running, with our pipe
	cmd.Env = append(environment(b.overlay), variable+"="+sabotage)
	return cmd.CombinedOutput()
}

// passes runs the tests without any sabotage.
func (b binary) passes(tests []string) string {
	out, err := b.run("", tests)
	if err == nil {
		return ""
	}
	return fmt.Sprintf("the tests fail without it: %v\n%s", err, out)
}
