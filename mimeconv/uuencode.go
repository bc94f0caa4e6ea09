package mimeconv

import (
	"fmt"
	"strings"
)

// cutUU extracts uuencoded files from a text, as programs sent them before MIME. Text that
// only resembles uuencode is kept. The files have no ids yet.
func cutUU(text string) (rest string, files []*part) {
	if !strings.HasPrefix(text, "begin ") && !strings.Contains(text, "\nbegin ") {
		return text, nil
	}
	var b strings.Builder
	for len(text) > 0 {
		line, after, _ := strings.Cut(text, "\n")
		if name, ok := beginUU(line); ok {
			if data, behind, ok := readUU(after); ok {
				files = append(files, &part{
					kind:        "application/octet-stream",
					disposition: "attachment",
					name:        oneLine(name),
					raw:         data,
				})
				text = behind
				continue
			} else if behind == "" {
				break // no end line follows: the rest is text
			}
		}
		b.WriteString(text[:len(text)-len(after)])
		text = after
	}
	b.WriteString(text)
	return b.String(), files
}

// beginUU parses the line "begin 644 name".
func beginUU(line string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "begin ")
	mode, name, found := strings.Cut(rest, " ")
	if !ok || !found || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" {
		return "", false
	}
	name = strings.TrimSpace(name)
	return name, name != ""
}

// readUU decodes the lines up to "end". behind is the text after it, "" if there is no end
// line.
func readUU(text string) (data []byte, behind string, ok bool) {
	for len(text) > 0 {
		line, after, _ := strings.Cut(text, "\n")
		if line == "end" {
			return data, after, len(data) > 0
		}
		data, ok = appendUU(data, line)
		if !ok {
			return nil, text, false
		}
		text = after
	}
	return nil, "", false
}

// appendUU appends the octets of one line. Its first character is their number; every three
// octets take four characters.
func appendUU(data []byte, line string) ([]byte, bool) {
	if line == "" {
		return data, true
	}
	n := int(line[0]-' ') & 63
	digits := line[1:]
	need := (n*8 + 5) / 6 // trailing spaces may be missing
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
		have += 6
		if have >= 8 {
			have -= 8
			data = append(data, byte(bits>>have))
		}
	}
	return data, true
}

// uuFiles gives ids to the files that were in a text part.
func uuFiles(p *part, parts []*part) []file {
	var files []file
	for i, f := range parts {
		f.id = fmt.Sprintf("%s/%d", p.id, i+1)
		files = append(files, file{part: f})
	}
	return files
}
