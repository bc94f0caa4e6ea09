package mimeconv

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/jhillyerd/enmime/v2"
)

// node is a part in its place in the tree.
type node struct {
	id       string // as enmime has it: "0" is the root, "1" a part of it, "2.0" a multipart, "2.1" a part of that
	part     *outlinePart
	children []*node
}

// tree builds the tree of the parts. enmime does it, unless nothing is odd about their delimiters.
func (o *outline) tree() (*node, error) {
	if o.isPlain() {
		return o.plainTree(), nil
	}
	return o.enmimeTree()
}

// isPlain reports whether every multipart consists of parts between delimiters as RFC 2046 has them.
func (o *outline) isPlain() bool {
	isDamaged := func(p outlinePart) bool { return p.damage != "" }
	return !o.isOdd && !o.textInHeaders && !slices.ContainsFunc(o.parts, isDamaged)
}

// plainTree is enmimeTree for an outline that isPlain.
func (o *outline) plainTree() *node {
	nodes := make([]node, len(o.parts))
	for number := range nodes[1:] {
		n := &nodes[number+1]
		n.part = &o.parts[number+1]
		parent := &nodes[n.part.parent]
		parent.children = append(parent.children, n)
		n.id = strconv.Itoa(len(parent.children))
		if n.part.parent > 0 {
			n.id = parent.id + "." + n.id
		}
	}
	for i := range nodes {
		if len(nodes[i].children) > 0 {
			nodes[i].id += ".0"
		}
	}
	nodes[0].id, nodes[0].part = "0", &o.parts[0]
	return &nodes[0]
}

// enmimeTree has enmime build the tree.
func (o *outline) enmimeTree() (root *node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("enmime panicked: %v", r)
		}
	}()
	parser := enmime.NewParser(enmime.RawContent(true), enmime.MaxStoredPartErrors(1))
	parsed, err := parser.ReadParts(bytes.NewReader(o.skeleton))
	if err != nil {
		return nil, err
	}
	return o.node(parsed), nil
}

// node returns the node for which e stands in the skeleton.
func (o *outline) node(e *enmime.Part) *node {
	n := &node{id: e.PartID, part: o.partOf(e)}
	for child := e.FirstChild; child != nil; child = child.NextSibling {
		n.children = append(n.children, o.node(child))
	}
	return n
}

// partOf returns the part for which e stands in the skeleton.
func (o *outline) partOf(e *enmime.Part) *outlinePart {
	number := e.Boundary
	if number == "" {
		number = string(e.Content)
	}
	n, err := strconv.Atoi(number)
	if err != nil || n >= len(o.parts) {
		return new(outlinePart)
	}
	return &o.parts[n]
}
