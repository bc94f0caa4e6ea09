package mimeconv

import "strings"

// readEnriched returns the text of text/enriched (RFC 1896) or of its predecessor text/richtext
// (RFC 1341), without its formatting.
func readEnriched(s string, isRich bool) string {
	r := enrichedReader{isRich: isRich}
	for s != "" {
		s = s[r.next(s):]
	}
	return r.text.String()
}

// enrichedReader is the state of readEnriched.
type enrichedReader struct {
	text    strings.Builder
	isRich  bool
	hidden  int // open <param> or <comment> elements
	literal int // open <nofill> or <verbatim> elements
}

// next reads what s, which is not empty, starts with, and returns its length.
func (r *enrichedReader) next(s string) int {
	switch {
	case s[0] == '\n':
		n := len(s) - len(strings.TrimLeft(s, "\n"))
		r.write(r.lineEnds(n))
		return n
	case strings.HasPrefix(s, "<<") && !r.isRich:
		r.write("<")
		return len("<<")
	case s[0] == '<':
		return r.command(s)
	}
	n := strings.IndexAny(s, "<\n")
	if n < 0 {
		n = len(s)
	}
	r.write(s[:n])
	return n
}

// write writes text unless it is hidden.
func (r *enrichedReader) write(text string) {
	if r.hidden == 0 {
		r.text.WriteString(text)
	}
}

// command reads a formatting command such as <bold> or </bold>, and returns its length.
func (r *enrichedReader) command(s string) int {
	command, _, ok := strings.Cut(s[1:min(len(s), maxCommand+2)], ">")
	if !ok {
		r.write("<")
		return 1
	}
	name, isEnd := strings.CutPrefix(strings.ToLower(command), "/")
	step := 1
	if isEnd {
		step = -1
	}
	switch name {
	case "param", "comment":
		r.hidden = max(0, r.hidden+step)
	case "nofill", "verbatim":
		r.literal = max(0, r.literal+step)
	case "lt":
		r.write("<")
	case "nl", "np":
		r.write("\n")
	case "paragraph":
		r.write("\n\n")
	}
	return len("<") + len(command) + len(">")
}

// maxCommand bounds a formatting command, in octets (RFC 1896, section 2: 60 characters).
const maxCommand = 60

// lineEnds returns what n line ends in a row mean. A single one is a space.
func (r *enrichedReader) lineEnds(n int) string {
	switch {
	case r.literal > 0:
		return strings.Repeat("\n", n)
	case n == 1 || r.isRich:
		return " "
	}
	return strings.Repeat("\n", n-1)
}
