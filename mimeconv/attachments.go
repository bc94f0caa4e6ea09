package mimeconv

import (
	"errors"
	"fmt"
	"html"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"heyrelay/mimeconv/linkblock"
)

const (
	// maxFileName bounds a file name without its ending, in runes, and maxFileOctets with it, in
	// octets. File systems allow 255.
	maxFileName   = 100
	maxFileOctets = 240

	// maxNamed bounds the attachments that an error names, since it becomes an SMTP reply.
	maxNamed = 10
)

// attachment is a file for the recipient.
type attachment struct {
	*part
	stream
	name     string // safe as a file name, never empty
	isInline bool   // the HTML shows it as an image
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
			attachments = append(attachments, attachment{part: f.part, stream: c.stream(f.part), name: name})
		}
	}
	isRejected := !slices.Contains([]Policy{Link, Drop, Name}, c.options.Attachments)
	if len(attachments) > 0 && isRejected {
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

// placeAttachments links the attachments, or adds a line for each to the bodies.
func (c *converter) placeAttachments(b bodies, attachments []attachment) (bodies, error) {
	if c.options.Attachments == Link {
		for _, a := range attachments {
			file, err := c.link(a)
			if err != nil {
				return bodies{}, err
			}
			c.linked.Files = append(c.linked.Files, file)
		}
		return b, nil
	}
	var lines []string
	for _, a := range attachments {
		what := a.name + " (" + size(a.size) + ")"
		if c.options.Attachments == Name {
			lines = append(lines, "[Attachment: "+what+"]")
			continue
		}
		c.warn(AttachmentDropped, a.id, "attachment %s dropped", quote(a.name))
		lines = append(lines, "[Attachment not sent: "+what+"]")
	}
	if len(lines) == 0 {
		return b, nil
	}
	text := strings.Join(lines, "\n")
	lineEnds := strings.NewReplacer("\n", "<br>\n")
	return b.with("<p>"+lineEnds.Replace(html.EscapeString(text))+"</p>\n", text), nil
}

// link has a file stored, and returns what the block shows of it.
func (c *converter) link(a attachment) (linkblock.File, error) {
	if c.options.Link == nil {
		return linkblock.File{}, errors.New("mimeconv: a policy is Link, and Options.Link is nil")
	}
	n := sniff(a.name, a.kind, a.open())
	url, err := c.options.Link(Attachment{
		Name:        a.name,
		ContentType: n.kind,
		Size:        a.size,
		Ending:      n.ending,
		Inline:      a.isInline,
		Open:        a.open,
	})
	return linkblock.File{
		Name:        a.name,
		Type:        typeName(n.kind, a.name),
		ContentType: n.kind,
		Size:        size(a.size),
		Octets:      a.size,
		URL:         url,
	}, err
}

// addBlock adds the list of links to both bodies. The HTML shows linked images itself.
func (c *converter) addBlock(b bodies) (bodies, error) {
	if len(c.linked.Files)+len(c.linked.Images) == 0 {
		return b, nil
	}
	block := c.options.Block
	if block == nil {
		block = linkblock.Default()
	}
	c.linked.Until = c.options.Until
	c.linked.Expires = c.options.Expires.UTC()
	text, err := block.Text(c.linked)
	if err != nil {
		return bodies{}, err
	}
	doc := ""
	if len(c.linked.Files) > 0 {
		doc, err = block.HTML(c.linked)
	}
	c.reserve(len(text) + len(doc))
	doc, _ = cleanText([]byte(doc))
	text, _ = cleanText([]byte(text))
	return b.with(doc, trimBlankLines(text)), err
}

// bodies are the HTML and the plain text.
type bodies struct{ html, text string }

// with returns the bodies with a fragment and a text at their ends.
func (b bodies) with(fragment, text string) bodies {
	return bodies{insertNotes(b.html, fragment), joinNonEmpty(b.text, text)}
}

// fileName makes the name of a part safe and keeps it readable: no path, no control characters,
// nothing that a file system or a shell makes something of. The n-th attachment without a name is
// called by its number.
func fileName(p *part, n int) string {
	name := p.name
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		case isInvisible(r):
			return -1
		case unicode.IsSpace(r), isFiller(r):
			return ' '
		}
		return r
	}, name)
	name = strings.Trim(strings.Join(strings.Fields(name), " "), ". ") // Windows removes dots and spaces at the end
	if !strings.ContainsFunc(name, unicode.IsGraphic) {
		return fmt.Sprintf("attachment-%d%s", n, extension(p.kind))
	}
	if isDevice(name) {
		name = "_" + name
	}
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	if len(ext) > maxFileName/4 {
		ext, _ = cutText(ext, 20)
	}
	stem, _ = cutText(stem, maxFileName)
	for limit := maxFileName; len(stem)+len(ext) > maxFileOctets; limit-- {
		stem, _ = cutText(stem, limit)
	}
	return stem + ext
}

// isInvisible reports whether r shows nothing, or turns the direction of text: with U+202E,
// "fdp.exe" reads "exe.pdf". The joiners are kept: Persian and Indic scripts need them.
func isInvisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' || unicode.IsControl(r)
}

// isFiller reports whether r is a letter or a symbol that looks like a space: with enough of them,
// nobody sees the ending of a name.
func isFiller(r rune) bool { return strings.ContainsRune("\u115f\u1160\u2800\u3164\uffa0", r) }

// isDevice reports whether Windows takes a file name for a device, whatever its ending.
func isDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	port, isPort := strings.CutPrefix(stem, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(stem, "LPT")
	}
	return isPort && utf8.RuneCountInString(port) == 1 && strings.ContainsAny(port, "0123456789¹²³")
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
	case "text/calendar", "application/ics":
		return ".ics"
	case "message/rfc822", "message/global", "message/news":
		return ".eml"
	case "text/csv", "text/html":
		return "." + strings.TrimPrefix(kind, "text/")
	case "text/plain":
		return ".txt"
	}
	return ".bin"
}
