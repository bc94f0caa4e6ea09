package mimeconv

import "strings"

// readEnriched returns the text of text/enriched (RFC 1896) or of its predecessor text/richtext
// (RFC 1341), without its formatting.
func readEnriched(s string, isRich bool) string {
	var b strings.Builder
	hidden, literal := 0, 0 // open <param> or <comment>, and <nofill> or <verbatim>, elements
	for s != "" {
		n := strings.IndexAny(s, "<\n")
		if n < 0 {
			n = len(s)
		}
		if hidden == 0 {
			b.WriteString(s[:n])
		}
		s = s[n:]
		switch {
		case s == "":
		case s[0] == '\n':
			n = len(s) - len(strings.TrimLeft(s, "\n"))
			if hidden == 0 {
				b.WriteString(enrichedEnds(n, isRich, literal > 0))
			}
			s = s[n:]
		case strings.HasPrefix(s, "<<") && !isRich:
			b.WriteByte('<')
			s = s[2:]
		default:
			name, _, ok := strings.Cut(s[1:min(len(s), maxCommand+2)], ">")
			if !ok {
				b.WriteByte('<')
				s = s[1:]
				continue
			}
			s = s[len("<")+len(name)+len(">"):]
			step := 1
			if strings.HasPrefix(name, "/") {
				step = -1
			}
			switch strings.ToLower(strings.TrimPrefix(name, "/")) {
			case "param", "comment":
				hidden = max(0, hidden+step)
			case "nofill", "verbatim":
				literal = max(0, literal+step)
			case "lt":
				b.WriteByte('<')
			case "nl", "np":
				b.WriteByte('\n')
			case "paragraph":
				b.WriteString("\n\n")
			}
		}
	}
	return b.String()
}

// maxCommand bounds a formatting command, in octets (RFC 1896, section 2: 60 characters).
const maxCommand = 60

// enrichedEnds returns what n line ends in a row mean. A single one is a space.
func enrichedEnds(n int, isRich, literal bool) string {
	switch {
	case literal:
		return strings.Repeat("\n", n)
	case n == 1 || isRich:
		return " "
	}
	return strings.Repeat("\n", n-1)
}
