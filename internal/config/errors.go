package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Errors is everything that is wrong with a configuration, in the order in which
// it was written. Load, Parse and FromEnvironment return no other error.
type Errors []Problem

// Error gives one line for each problem.
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

// Problem is one thing that is wrong. It holds no secret.
type Problem struct {
	Where        string // the file, or the environment variable
	Line, Column int    // counted from 1; 0 where there are no lines
	What         string // what is wrong
	Do           string // what to do about it
}

// String gives "file:line:column: what; what to do".
func (p Problem) String() string {
	where := p.Where
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.Where, p.Line, p.Column)
	}
	return strings.Map(visible, fmt.Sprintf("%s: %s; %s", where, p.What, p.Do))
}

// visible keeps a problem on its line, whatever it quotes.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}
