package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// position is where something was written.
type position struct {
	where        string // a file or a variable
	line, column int    // 0 for a variable
}

func (at position) problem(what, advice string) Problem {
	return Problem{Where: at.where, Line: at.line, Column: at.column, What: what, Advice: advice}
}

// kind says what a node is.
type kind int

const (
	empty    kind = iota // a key without a value
	scalar               // text
	mapping              // pairs
	sequence             // items
	broken               // not readable; its problem is recorded, unless it is among its faults
)

func (k kind) String() string {
	return [...]string{"no value", "a single value", "keys and values", "a list", "nothing readable"}[k]
}

// node is a piece of configuration as written, in a file or in the environment.
type node struct {
	kind    kind
	at      position
	text    string    // of a scalar, variables expanded
	written string    // of a scalar, variables not expanded: for messages
	faults  []Problem // of a broken scalar: variables that cannot be expanded
	pairs   []pair
	items   []*node
}

// pair is a key of a mapping and its value.
type pair struct {
	key   string
	at    position // of the key
	value *node
}

// where returns the place to point to: a single value, or else the key.
func (p pair) where() position {
	if p.value.kind == scalar || p.value.kind == broken {
		return p.value.at
	}
	return p.at
}

// tree reads YAML: mappings, lists and scalars only. A scalar is the text as
// written; its key decides what it means. (The library would turn an unquoted
// 00123456 into 42798.)
func (d *Document) tree(data []byte) *node {
	top := position{d.name, 1, 1}
	if !utf8.Valid(data) {
		return d.broken(top, "the file is not UTF-8 text", "save it as UTF-8")
	}
	file, err := parser.ParseBytes([]byte(strings.TrimPrefix(string(data), "\ufeff")), 0, parser.AllowDuplicateMapKey())
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax):
		message := strings.ReplaceAll(syntax.Message, "character '\t'", "a tab")
		d.note(d.position(syntax.Token, top), "invalid YAML: "+message,
			"indent with spaces, and quote values that begin with a character such as * or @ or contain one of {}[]#:,")
	case err != nil:
		d.note(top, "invalid YAML", "start with the example configuration")
	case len(file.Docs) > 1:
		d.note(d.position(file.Docs[1].Start, top), "a second YAML document begins here", "keep one, without ---")
	case len(file.Docs) == 1 && file.Docs[0].Body != nil:
		return d.node(file.Docs[0].Body, top)
	default:
		return &node{kind: empty, at: top}
	}
	return &node{kind: broken, at: top}
}

// node converts the parser's result. near is where to point to if the parser does
// not know.
func (d *Document) node(from ast.Node, near position) *node {
	at := d.position(from.GetToken(), near)
	switch from := from.(type) {
	case *ast.MappingNode:
		n := &node{kind: mapping, at: at}
		for _, value := range from.Values {
			d.addPair(n, value)
		}
		if !from.IsFlowStyle && len(n.pairs) > 0 {
			n.at = n.pairs[0].at
		}
		return n
	case *ast.MappingValueNode:
		n := &node{kind: mapping, at: at}
		d.addPair(n, from)
		return n
	case *ast.SequenceNode:
		n := &node{kind: sequence, at: at}
		for _, item := range from.Values {
			n.items = append(n.items, d.node(item, at))
		}
		return n
	case *ast.NullNode:
		return &node{kind: empty, at: at}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return d.broken(at, "anchors (&), aliases (*) and tags (!) are not supported",
			"write the value out, or quote it if the character belongs to it")
	case *ast.LiteralNode:
		return d.scalar(from.Value.Value, at)
	case *ast.StringNode:
		return d.scalar(from.Value, at)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return d.scalar(from.GetToken().Value, at)
	}
	return d.broken(at, "this kind of YAML is not supported", "write keys, lists and plain values")
}

// addPair adds a key and its value to a mapping.
func (d *Document) addPair(to *node, from *ast.MappingValueNode) {
	at := d.position(from.Key.GetToken(), to.at)
	switch from.Key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		key := from.Key.GetToken().Value
		to.pairs = append(to.pairs, pair{key, at, d.node(from.Value, at)})
	default:
		d.note(at, "invalid key", "write key: value; <<, ? and the like are not supported")
	}
}

// position returns the place of a token.
func (d *Document) position(t *token.Token, near position) position {
	if t == nil || t.Position == nil {
		return near
	}
	return position{d.name, cmp.Or(t.Position.Line, 1), cmp.Or(t.Position.Column, 1)}
}

// scalar expands the variables in a scalar of the file.
func (d *Document) scalar(written string, at position) *node {
	text, faults := d.expand(written, at)
	if len(faults) > 0 {
		return &node{kind: broken, at: at, faults: faults}
	}
	return &node{kind: scalar, at: at, text: text, written: written}
}

// expand replaces each ${NAME} by the environment variable NAME, and $${ by ${.
func (d *Document) expand(text string, at position) (expanded string, faults []Problem) {
	reference := regexp.MustCompile(`\$\$\{|\$\{[^}]*\}?`)
	name := regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
	fault := func(what, advice string) { faults = append(faults, at.problem(what, advice)) }
	expanded = reference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		m := name.FindStringSubmatch(found)
		if m == nil {
			fault(fmt.Sprintf("%q does not name an environment variable", found), "write ${NAME}, or $${ for a literal ${")
			return ""
		}
		value, set := d.env(m[1])
		if !set {
			fault("the environment variable "+m[1]+" is not set", "set it, or write $"+found+" for that literal text")
		}
		return value
	})
	return expanded, faults
}
