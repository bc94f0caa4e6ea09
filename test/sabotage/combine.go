package main

import (
	"fmt"
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

// chosen declares, in each package with switches, the name that they compare, and the switch of a value.
const chosen = `package %s

import "os"

var sabotageChosen = os.Getenv(%q)

func sabotageOr[T any](name string, changed, intact T) T {
	if sabotageChosen == name {
		return changed
	}
	return intact
}
`

// combination is one tree with the sabotages of many files in it. In each function that one of them changes stands
// a switch: the changed body runs if the variable names the sabotage. A value that is changed is chosen likewise.
type combination struct {
	root    string
	parts   map[string]parts // by file
	members []sabotage
}

// combine divides the sabotages into those that one tree can hold, and those that need a tree of their own.
func combine(root string, all []sabotage) (*combination, []sabotage, error) {
	c := &combination{root: root, parts: map[string]parts{}}
	var alone []sabotage
	used := constants{}
	for _, s := range all {
		changed, ok, err := s.parts(used)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if !ok {
			alone = append(alone, s)
			continue
		}
		c.members = append(c.members, s)
		for file, p := range changed {
			before := c.parts[file]
			c.parts[file] = parts{append(before.bodies, p.bodies...), append(before.values, p.values...)}
		}
	}
	return c, alone, nil
}

// overlay writes the sources with switches into dir, and the file that makes the compiler take them.
func (c *combination) overlay(dir string) (string, error) {
	sources := map[string][]byte{}
	for file, changed := range c.parts {
		source, err := os.ReadFile(filepath.Join(c.root, file))
		if err != nil {
			return "", err
		}
		sources[file] = changed.withSwitches(source)
		parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.PackageClauseOnly)
		if err != nil {
			return "", err
		}
		choice := filepath.Join(filepath.Dir(file), "sabotage_chosen.go")
		sources[choice] = fmt.Appendf(nil, chosen, parsed.Name.Name, variable)
	}
	return writeOverlay(c.root, dir, sources)
}

// build compiles the tests of each package once, into dir. It returns a trial for each package whose tests must
// pass while no sabotage is chosen, which take long, and then one for each sabotage.
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
	var without, with []trial
	for pkg, members := range packages {
		b := binary{path: binaries + filepath.Base(pkg) + ".test", dir: filepath.Join(c.root, pkg), overlay: overlay}
		for depth, tests := range byDepth(members) {
			name := fmt.Sprintf("nothing in %s, depth %d", pkg, depth)
			without = append(without, trial{name, func() string { return b.passes(tests) }})
		}
		for _, s := range members {
			with = append(with, trial{s.name, func() string { return s.judge(b.run(s.name, s.tests)) }})
		}
	}
	return append(without, with...), nil
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
