package mimeconv

import (
	"errors"
	"fmt"
	"html"
	"path"
	"slices"
	"strings"
)

const (
	// maxFileName bounds a file name, in runes. File systems allow 255 octets.
	maxFileName = 100

	// maxNamed bounds the attachments that an error names, since it becomes an SMTP reply.
	maxNamed = 10
)

// attachment is a file for the recipient.
type attachment struct {
	*part
	stream
	name string // safe as a file name, never empty
}

// sortFiles returns the attachments among files: all but the images that the HTML shows and
// unreferenced related images. It fails if there are attachments and the policy is Reject.
func (c *converter) sortFiles(files []file, images []image) ([]attachment, error) {
	var attachments []attachment
	for _, f := range files {
		switch {
		case slices.ContainsFunc(images, func(i image) bool { return i.part == f.part }):
		case f.related && strings.HasPrefix(f.kind, "image/") && f.disposition != "attachment":
			c.warn(ImageDropped, f.id, "image %s dropped: the HTML does not show it", quote(f.name))
		default:
			name := fileName(f.part, len(attachments)+1)
			attachments = append(attachments, attachment{f.part, c.stream(f.part), name})
		}
	}
	if len(attachments) > 0 && c.options.Attachments != Link && c.options.Attachments != Drop {
		return nil, errAttachments(attachments, c.options.Link != nil)
	}
	return attachments, nil
}

// stream returns the decoded content of a file, and warns if it is damaged.
func (c *converter) stream(p *part) stream {
	s := newStream(p.raw, p.encoding)
	c.note(s.warning, p.id)
	return s
}

// errAttachments rejects a message because of its attachments and names the configuration
// to change. Links are suggested only if there is a blob store.
func errAttachments(attachments []attachment, store bool) *Error {
	keys := `"attachments: drop"`
	if store {
		keys = `"attachments: link" or ` + keys
	}
	var names []string
	for i, a := range attachments {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(attachments)-i))
			break
		}
		names = append(names, fmt.Sprintf("%q (%s, %s)", a.name, a.kind, size(a.size)))
	}
	return refuse(ErrAttachment,
		"attachments cannot be sent: %s; to send the message without them, set %s on the route",
		strings.Join(names, ", "), keys)
}

// placeAttachments links or drops the attachments and returns the lines to add to the body.
func (c *converter) placeAttachments(attachments []attachment) (notes, error) {
	var all notes
	for _, a := range attachments {
		what := a.name + " (" + size(a.size) + ")"
		if c.options.Attachments == Drop {
			c.warn(AttachmentDropped, a.id, "attachment %s dropped", quote(a.name))
			all = append(all, note{text: "[Attachment not sent: " + what + "]"})
			continue
		}
		url, err := c.link(Attachment{Name: a.name, ContentType: a.kind, Size: a.size, Open: a.open})
		if err != nil {
			return nil, err
		}
		all = append(all, note{text: "Attachment: " + what, url: url})
	}
	return all, nil
}

// link stores a file and returns its URL.
func (c *converter) link(a Attachment) (string, error) {
	if c.options.Link == nil {
		return "", errors.New("mimeconv: a policy is Link, and Options.Link is nil")
	}
	return c.options.Link(a)
}

// note is a line to add to a body.
type note struct{ text, url string }

type notes []note

func (n notes) text() string {
	var lines []string
	for _, note := range n {
		line := note.text
		if note.url != "" {
			line += " <" + note.url + ">"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (n notes) html() string {
	var lines []string
	for _, note := range n {
		line := html.EscapeString(note.text)
		if note.url != "" {
			line = `<a href="` + html.EscapeString(note.url) + `">` + line + `</a>`
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return ""
	}
	return "<p>" + strings.Join(lines, "<br>\n") + "</p>\n"
}

// fileName makes the name of a part safe: no path, no control characters, nothing
// that a file system or a shell makes something of. The n-th attachment without
// a name is called by its number.
func fileName(p *part, n int) string {
	name := p.name
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		case isBidiControl(r):
			return -1
		}
		return r
	}, name)
	name = strings.Trim(name, ". ")
	if name == "" {
		return fmt.Sprintf("attachment-%d%s", n, extension(p.kind))
	}
	ext := path.Ext(name)
	stem, cut := cutText(strings.TrimSuffix(name, ext), maxFileName)
	if cut || len(ext) > maxFileName {
		ext, _ = cutText(ext, 20)
	}
	return stem + ext
}

// isBidiControl reports whether r turns the direction of text: with it,
// "fdp.exe" reads "exe.pdf".
func isBidiControl(r rune) bool {
	return r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// extension is the usual file name extension of some types.
func extension(kind string) string {
	switch kind {
	case "application/pdf":
		return ".pdf"
	case "application/zip":
		return ".zip"
	case "image/jpeg":
		return ".jpg"
	case "image/png", "image/gif", "image/tiff":
		return "." + strings.TrimPrefix(kind, "image/")
	case "text/calendar":
		return ".ics"
	case "text/csv", "text/html":
		return "." + strings.TrimPrefix(kind, "text/")
	case "text/plain":
		return ".txt"
	}
	return ".bin"
}
