package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Errors is everything that is wrong with a configuration, in the order in which
// it was written.
type Errors []Problem

// Error returns one line for each problem.
func (e Errors) Error() string { return strings.Join(e.lines(), "\n") }

func (e Errors) lines() []string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return lines
}

// sorted puts problems in the order of reading.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return e
}

// Problem is one thing that is wrong. It contains no secret.
type Problem struct {
	Where  string // the file, or the environment variable
	Line   int    // counted from 1; 0 if there are no lines
	Column int    // in runes, counted from 1; 0 if there are no lines
	What   string // what is wrong
	Advice string // what to do about it
}

// String returns "file:line:column: what; advice" or "VARIABLE: what; advice".
func (p Problem) String() string {
	where := p.Where
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.Where, p.Line, p.Column)
	}
	what := strings.TrimPrefix(p.What, p.Where+" ")
	return strings.Map(printable, fmt.Sprintf("%s: %s; %s", where, what, p.Advice))
}

// printable keeps a problem on its line, whatever it quotes.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}
