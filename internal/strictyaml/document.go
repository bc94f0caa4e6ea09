// Package strictyaml reads a configuration into a struct and accepts nothing that
// it does not understand. It knows no key itself: the struct is the schema.
//
// [Parse] reads YAML and [FromVariables] reads environment variables; both give a
// [Document], which [Document.Decode] writes into a struct. Decoding and the rules
// that the caller checks afterwards ([Document.Reject], [Document.Warn]) collect
// all problems, each with its line, column and advice.
//
// A key is a field with a yaml tag. Its type is string, bool, an integer,
// [Duration], [Size], [Rate], [Secret], any [encoding.TextUnmarshaler], a struct, a
// list of these, or a map of them under names that the operator chooses. A Secret has
// two keys: its own, and one with _file that names a file.
//
// The tags:
//
//	yaml       the key
//	default    the value of a key that is not given
//	oneof      the choices, separated by |
//	range      smallest..largest value; either may be absent
//	required   the key must be given; the advice if it is not
//	sensitive  "true": errors do not quote the value
//	start      the value in the smallest working part of the example (YAML)
//	example    the value in the example of a key without a default (YAML)
//
// A path names a place in the configuration, such as teams.shop.rate or
// routes[0].inbox. The empty path is the whole configuration.
package strictyaml

import (
	"path/filepath"
	"reflect"
	"strings"
)

// maxFile is far more than a thousand routes need.
const maxFile = 1 << 20

// Document is a configuration as written, and what is wrong with it.
type Document struct {
	name string                      // the file, or "environment"
	dir  string                      // relative file names start here
	env  func(string) (string, bool) // resolves ${NAME}

	root      *node
	at        map[string]position // where the value at a path was written
	variables map[string]string   // the variable that sets the value at a path; empty for a file
	schema    reflect.Type        // the struct being decoded
	rejected  map[string]bool     // paths that have a problem
	excuse    func(file string, err error) bool
	problems  Errors
	warnings  Errors
}

func newDocument(name string) *Document {
	return &Document{
		name:      name,
		at:        map[string]position{},
		variables: map[string]string{},
		rejected:  map[string]bool{},
	}
}

// Parse reads YAML. name is the file's name in problems; relative names of secret
// files start in its directory. env looks up the variables of ${NAME}, as
// [os.LookupEnv] does. data is not kept.
func Parse(name string, data []byte, env func(string) (string, bool)) *Document {
	d := newDocument(name)
	d.dir, d.env = filepath.Dir(name), env
	if len(data) > maxFile {
		d.root = d.broken(position{where: name}, "the file is too large for a configuration", "name another file")
		return d
	}
	d.root = d.tree(data)
	return d
}

// Decode sets defaults in the struct that into points to, and then everything that
// the document gives. It reports whether the document could be read; values with
// problems keep their defaults.
func (d *Document) Decode(into any) bool {
	if d.root.kind == broken {
		d.problems = append(d.problems, d.root.faults...)
		return false
	}
	v := reflect.ValueOf(into).Elem()
	d.schema = v.Type()
	setDefaults(v)
	d.at[""] = d.root.at
	d.section("", d.root, v)
	return true
}

// Err returns all problems as [Errors] in the order of reading, or nil.
func (d *Document) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return d.problems.sorted()
}

// Warnings returns all warnings in the order of reading, one line each.
func (d *Document) Warnings() []string { return d.warnings.sorted().lines() }

// Reject records a problem with the value at path, unless it has one already: a
// value that was refused once is not judged again.
func (d *Document) Reject(path, what, advice string) {
	if !d.rejected[path] {
		d.rejected[path] = true
		d.note(d.where(path), what, advice)
	}
}

// Excuse makes problems with a file that the document names warnings, where excuse returns
// true: for programs that can do without the file. err is what was wrong with it. A secret whose
// variable is not set is like one in a file without a name that does not exist.
func (d *Document) Excuse(excuse func(file string, err error) bool) { d.excuse = excuse }

func (d *Document) excused(file string, err error) bool {
	return d.excuse != nil && d.excuse(file, err)
}

// RejectFile is Reject for a problem with the file that the value at path names, unless it is
// excused.
func (d *Document) RejectFile(path, file string, err error, what, advice string) {
	if AbsentCredential(file, err) {
		advice = "systemd creates it while the service runs, as LoadCredential= in the unit says"
	}
	if !d.excused(file, err) {
		d.Reject(path, what, advice)
		return
	}
	d.rejected[path] = true
	d.Warn(path, what, advice)
}

// Warn records a warning about the value at path.
func (d *Document) Warn(path, what, advice string) {
	d.warnings = append(d.warnings, d.where(path).problem(what, advice))
}

// WarnOf records a warning about something outside the document, such as a
// variable.
func (d *Document) WarnOf(where, what, advice string) {
	d.warnings = append(d.warnings, position{where: where}.problem(what, advice))
}

// Given reports whether something was written at path.
func (d *Document) Given(path string) bool {
	_, ok := d.at[path]
	return ok
}

// Rejected reports whether the value at path has a problem.
func (d *Document) Rejected(path string) bool { return d.rejected[path] }

// Key returns what the operator calls the value at path: its variable if the
// environment is the configuration and has one, otherwise path.
func (d *Document) Key(path string) string {
	name, ok := d.variables[path]
	if !ok {
		return path
	}
	if at, given := d.at[path]; given {
		return at.where
	}
	return name
}

// Beside returns the name of a file that the document names: relative names start
// in the document's directory.
func (d *Document) Beside(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.dir, name)
}

// note records a problem.
func (d *Document) note(at position, what, advice string) {
	d.problems = append(d.problems, at.problem(what, advice))
}

// broken records a problem and returns the node that stands for the value that
// has it.
func (d *Document) broken(at position, what, advice string) *node {
	d.note(at, what, advice)
	return &node{kind: broken, at: at}
}

// where returns the place at which path was written; if it was not, the variable
// that would set it, or else the place of what surrounds it.
func (d *Document) where(path string) position {
	for {
		if at, ok := d.at[path]; ok {
			return at
		}
		if name, ok := d.variables[path]; ok {
			return position{where: name}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}
