package mimeconv

import (
	"fmt"
	"io"
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

// isUU reports whether a Content-Transfer-Encoding is a variant of uuencode (x-uuencode, uue), which
// is not standardized.
func isUU(encoding string) bool { return strings.Contains(encodingName(encoding), "uu") }

// uuLines are the lines of a part that may contain uuencode. A copy continues where it was made.
type uuLines struct {
	rest []byte // not read yet
	text string // the lines that were read together
}

// next returns the next line, without its end and without control characters.
func (l *uuLines) next() (line string, ok bool) {
	for l.text == "" {
		if len(l.rest) == 0 {
			return "", false
		}
		var raw []byte
		raw, l.rest = cutAfterLine(l.rest)
		l.text, _ = cleanText(raw)
	}
	line, l.text, _ = strings.Cut(l.text, "\n")
	return line, true
}

// findUU returns the lines of the file in a part that has exactly one, from behind its "begin" line.
func findUU(raw []byte) (file uuLines, ok bool) {
	lines := uuLines{rest: raw}
	for {
		line, more := lines.next()
		if !more {
			return file, ok
		}
		if _, isBegin := beginUU(line); !isBegin {
			continue
		}
		start := lines
		size, ended := skipUU(&lines)
		switch {
		case !ended:
			lines = start
		case size > 0 && ok:
			return file, false // another file
		case size > 0:
			file, ok = start, true
		}
	}
}

// skipUU skips the lines of a file and its "end" line, and returns the size of the file. ended is
// false if another line is among them, or no end.
func skipUU(lines *uuLines) (size int, ended bool) {
	var data []byte
	for {
		line, ok := lines.next()
		if !ok {
			return 0, false
		}
		if line == "end" {
			return size, true
		}
		data, ok = appendUU(data[:0], line)
		if !ok {
			return 0, false
		}
		size += len(data)
	}
}

// uuReader decodes the lines of a file.
type uuReader struct {
	lines  uuLines
	out    []byte // decoded, but not returned yet
	buffer []byte
	isOver bool
}

// Read implements io.Reader.
func (r *uuReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 && !r.isOver {
		line, ok := r.lines.next()
		r.isOver = !ok || line == "end"
		if !r.isOver {
			r.buffer, _ = appendUU(r.buffer[:0], line)
			r.out = r.buffer
		}
	}
	if len(r.out) == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}
