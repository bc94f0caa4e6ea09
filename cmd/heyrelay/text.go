package main

import (
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// when writes a time for people. All commands, the log and reports use UTC.
func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(printable(line), `\t`, "\t")
	}
	return strings.Join(lines, "\n")
}

// isTerminal reports whether a terminal shows what is written to out.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
