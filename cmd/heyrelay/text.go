package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/term"
)

// when writes a time for people. All commands, the log and reports use UTC.
func when(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// count writes a number and its noun: "1 link", "2 links".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// printable escapes what is invisible or could control a terminal, and keeps the rest.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if isShown(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return b.String()
}

// isShown reports whether a terminal shows r. Of invisible letters and marks, Unicode calls these
// printable.
func isShown(r rune) bool {
	return strconv.IsPrint(r) && !strings.ContainsRune("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0", r)
}

// newJSON returns an encoder that escapes what printable escapes, since people read its output, too.
func newJSON(out io.Writer) *json.Encoder {
	e := json.NewEncoder(jsonWriter{out})
	e.SetEscapeHTML(false)
	return e
}

// jsonWriter gets one JSON text at a time.
type jsonWriter struct{ out io.Writer }

func (w jsonWriter) Write(text []byte) (int, error) {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r == '\n' || isShown(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	_, err := w.out.Write(b.Bytes())
	return len(text), err
}

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(printable(line), `\t`, "\t")
	}
	return strings.Join(lines, "\n")
}

// progressPause is how often progress is shown.
const progressPause = 2 * time.Second

// progressTo returns what shows on out how far a command has come, unless it ends soon.
func progressTo(out io.Writer, now func() time.Time) func(done, found int) {
	next := now().Add(progressPause)
	return func(done, found int) {
		if done == found || now().Before(next) {
			return
		}
		next = now().Add(progressPause)
		fmt.Fprintf(out, "heyrelay: %d of %d requests done\n", done, found)
	}
}

// isTerminal reports whether a terminal shows what is written to out.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
