package mimeconv

import (
	"fmt"
	"strings"
)

// cutUU takes the files out of a text that somebody put there with uuencode, as
// programs did before MIME. What only looks like one stays text. The files have no
// ids yet.
func cutUU(text string) (rest string, files []*part) {
	if !strings.HasPrefix(text, "begin ") && !strings.Contains(text, "\nbegin ") {
		return text, nil
	}
	var b strings.Builder
	for len(text) > 0 {
		line, after, _ := strings.Cut(text, "\n")
		if name, ok := beginUU(line); ok {
			if data, behind, ok := readUU(after); ok {
				files = append(files, &part{kind: "application/octet-stream", disposition: "attachment", name: oneLine(name), raw: data})
				text = behind
				continue
			} else if behind == "" {
				break // no end any more: what follows is text, and need not be looked at again
			}
		}
		b.WriteString(text[:len(text)-len(after)])
		text = after
	}
	b.WriteString(text)
	return b.String(), files
}

// beginUU reads the line "begin 644 name".
func beginUU(line string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "begin ")
	mode, name, found := strings.Cut(rest, " ")
	if !ok || !found || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" {
		return "", false
	}
	name = strings.TrimSpace(name)
	return name, name != ""
}

// readUU reads the lines up to "end". behind is the text that follows; "" where
// there is no end in all of it.
func readUU(text string) (data []byte, behind string, ok bool) {
	for len(text) > 0 {
		line, after, _ := strings.Cut(text, "\n")
		if line == "end" {
			return data, after, len(data) > 0
		}
		if data, ok = appendUU(data, line); !ok {
			return nil, text, false
		}
		text = after
	}
	return nil, "", false
}

// appendUU appends what one line stands for: its first character says how many
// octets follow, four characters for three of them.
func appendUU(data []byte, line string) ([]byte, bool) {
	if line == "" {
		return data, true
	}
	n := int(line[0]-' ') & 63
	digits := line[1:]
	need := (n*8 + 5) / 6 // spaces at the end of a line get lost
	if line[0] < ' ' || line[0] > '`' || len(digits) > (n+2)/3*4+2 {
		return nil, false
	}
	var bits, have int
	for i := range need {
		c := byte(' ')
		if i < len(digits) {
			c = digits[i]
		}
		if c < ' ' || c > '`' {
			return nil, false
		}
		bits = bits<<6 | int(c-' ')&63
		if have += 6; have >= 8 {
			have -= 8
			data = append(data, byte(bits>>have))
		}
	}
	return data, true
}

// uuFiles makes files of what was cut out of a text part.
func uuFiles(p *part, parts []*part) []file {
	var files []file
	for i, f := range parts {
		f.id = fmt.Sprintf("%s/%d", p.id, i+1)
		files = append(files, file{part: f})
	}
	return files
}
