package config

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

// kind says what a node is.
type kind int

const (
	empty    kind = iota // a key without a value
	scalar               // text
	mapping              // pairs
	sequence             // items
	broken               // not readable; the problem is noted already
)

func (k kind) String() string {
	return [...]string{"no value", "a single value", "keys and values", "a list", "nothing readable"}[k]
}

// node is a piece of configuration as it was written, in a file or in the
// environment: what decoding starts from.
type node struct {
	kind    kind
	at      position
	text    string // of a scalar, variables expanded
	written string // of a scalar, variables not expanded: fit for messages
	pairs   []pair
	items   []*node
}

// pair is a key of a mapping and its value.
type pair struct {
	key   string
	at    position // of the key
	value *node
}

// where is the place to point to: a single value, or else the key.
func (p pair) where() position {
	if p.value.kind == scalar || p.value.kind == broken {
		return p.value.at
	}
	return p.at
}

// tree reads YAML. It takes of YAML what a configuration needs: mappings, lists
// and scalars; a scalar is the text as written, and what it means is for the key
// to say. (The library would make 42798 of an unquoted 00123456.)
func (l *loader) tree(data []byte) *node {
	top := position{l.name, 1, 1}
	if !utf8.Valid(data) {
		return l.broken(top, "this is no UTF-8 text", "save it as UTF-8")
	}
	file, err := parser.ParseBytes([]byte(strings.TrimPrefix(string(data), "\ufeff")), 0, parser.AllowDuplicateMapKey())
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax):
		l.note(l.position(syntax.Token, top), "not readable as YAML: "+syntax.Message,
			"indent with blanks, and quote values that begin with a sign such as * or @, or hold one of {}[]#:,")
	case err != nil:
		l.note(top, "not readable as YAML", "begin with heyrelay's example")
	case len(file.Docs) > 1:
		l.note(l.position(file.Docs[1].Start, top), "a second document begins here", "keep one, without ---")
	case len(file.Docs) == 1 && file.Docs[0].Body != nil:
		return l.node(file.Docs[0].Body, top)
	default:
		return &node{kind: empty, at: top}
	}
	return &node{kind: broken, at: top}
}

// node converts what the parser made. near is where to point to if the parser
// does not say.
func (l *loader) node(from ast.Node, near position) *node {
	at := l.position(from.GetToken(), near)
	switch from := from.(type) {
	case *ast.MappingNode:
		n := &node{kind: mapping, at: at}
		for _, value := range from.Values {
			l.addPair(n, value)
		}
		if !from.IsFlowStyle && len(n.pairs) > 0 {
			n.at = n.pairs[0].at
		}
		return n
	case *ast.MappingValueNode:
		n := &node{kind: mapping, at: at}
		l.addPair(n, from)
		return n
	case *ast.SequenceNode:
		n := &node{kind: sequence, at: at}
		for _, item := range from.Values {
			n.items = append(n.items, l.node(item, at))
		}
		return n
	case *ast.NullNode:
		return &node{kind: empty, at: at}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return l.broken(at, "anchors (&), aliases (*) and tags (!) have no meaning here",
			"write the value out, or in quotes where the sign belongs to it")
	case *ast.LiteralNode:
		return l.scalar(from.Value.Value, at)
	case *ast.StringNode:
		return l.scalar(from.Value, at)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return l.scalar(from.GetToken().Value, at)
	}
	return l.broken(at, "this kind of YAML has no meaning here", "write keys, lists and plain values")
}

// addPair adds a key and its value to a mapping.
func (l *loader) addPair(to *node, from *ast.MappingValueNode) {
	at := l.position(from.Key.GetToken(), to.at)
	switch from.Key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		key := from.Key.GetToken().Value
		to.pairs = append(to.pairs, pair{key, at, l.node(from.Value, at)})
	default:
		l.note(at, "this is no plain key", "write key: value; <<, ? and the like have no meaning here")
	}
}

// position tells where a token stands.
func (l *loader) position(t *token.Token, near position) position {
	if t == nil || t.Position == nil {
		return near
	}
	return position{l.name, cmp.Or(t.Position.Line, 1), cmp.Or(t.Position.Column, 1)}
}

// broken notes a problem and stands for the value that has it.
func (l *loader) broken(at position, what, do string) *node {
	l.note(at, what, do)
	return &node{kind: broken, at: at}
}

// scalar expands the variables in a scalar of the file.
func (l *loader) scalar(written string, at position) *node {
	text, ok := l.expand(written, at)
	if !ok {
		return &node{kind: broken, at: at}
	}
	return &node{kind: scalar, at: at, text: text, written: written}
}

// expand replaces each ${NAME} by the environment variable NAME, and $${ by ${.
func (l *loader) expand(text string, at position) (string, bool) {
	reference := regexp.MustCompile(`\$\$\{|\$\{[^}]*\}?`)
	name := regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
	ok := true
	expanded := reference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$${" {
			return "${"
		}
		m := name.FindStringSubmatch(found)
		if m == nil {
			ok = false
			l.note(at, fmt.Sprintf("%q names no environment variable", found), "write ${NAME}, or $${ where ${ itself is meant")
			return ""
		}
		value, set := l.env(m[1])
		if !set {
			ok = false
			l.note(at, "the environment variable "+m[1]+" is not set", "set it, or write $"+found+" where the text itself is meant")
		}
		return value
	})
	return expanded, ok
}
