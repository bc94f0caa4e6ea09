package mimeconv

import "strings"

// unflow joins the lines of format=flowed text to paragraphs (RFC 3676): a line that ends
// with a space continues on the next line of the same quote depth. With delSp that space is
// removed.
func unflow(text string, delSp bool) string {
	var out, paragraph strings.Builder
	depth, open := 0, false
	flush := func() {
		if !open {
			return
		}
		if depth > 0 {
			out.WriteString(strings.Repeat(">", depth) + " ")
		}
		out.WriteString(strings.TrimRight(paragraph.String(), " ") + "\n")
		paragraph.Reset()
		open = false
	}
	for line := range strings.SplitSeq(text, "\n") {
		rest := strings.TrimLeft(line, ">") // section 4.5: no spaces between quote marks
		quotes := len(line) - len(rest)
		if quotes > 0 || !strings.HasPrefix(rest, " >") { // else it would become a quotation
			rest = strings.TrimPrefix(rest, " ") // section 4.4: space-stuffing
		}
		signature := rest == "-- " // section 4.3
		if quotes != depth || signature || rest == "" {
			flush()
		}
		depth, open = quotes, true
		if signature {
			out.WriteString(line + "\n")
			open = false
			continue
		}
		text, flowed := strings.CutSuffix(rest, " ")
		if flowed && !delSp {
			text = rest
		}
		paragraph.WriteString(text)
		if !flowed {
			flush()
		}
	}
	flush()
	return strings.TrimSuffix(out.String(), "\n")
}
