package mimeconv

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"heyrelay/mimeconv/charset"
	"heyrelay/mimeconv/htmltext"
)

// The limits of one embedded image and of all together, in octets before base64. Gmail
// clips HTML at 102 KB, and the API limits the size of a body.
const (
	maxImage  = 32 << 10
	maxImages = 128 << 10
)

// image is a reference in the HTML to a part of the message (RFC 2392, RFC 2557).
type image struct {
	part     *part  // nil if there is no such part
	name     string // its Content-ID or Content-Location, as in the HTML
	from, to int    // the URL in the document
	tagFrom  int    // the img tag; tagTo is 0 if the reference is elsewhere
	tagTo    int
	alt      string
	isLink   bool // it is a tag of a link, which is a reference for people: they do not get the part
}

// findImages returns the cid: URLs and Content-Locations in a document, in order, with their
// parts. References beyond maxPlaces are left unchanged.
func findImages(doc string, files []file) []image {
	parts := make(map[string]*part)   // by Content-ID
	located := make(map[string]*part) // by Content-Location
	indexImages(files, parts, located)
	if len(located) == 0 && charset.IndexFold(doc, "cid:") < 0 {
		return nil
	}
	var images []image
	z := html.NewTokenizer(strings.NewReader(doc))
	style := false
	link := "" // the part to which the open link leads
	for pos := 0; len(images) < maxPlaces; {
		token := z.Next()
		start := pos
		pos += len(z.Raw())
		switch token {
		case html.ErrorToken:
			return images
		case html.TextToken:
			if style {
				images = appendImages(images, doc, image{tagFrom: start}, pos, parts)
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			found := image{tagFrom: start}
			name := htmltext.TagName(z.Raw())
			switch {
			case name == "img" && found.readTag(z, doc, pos, located):
				images = append(images, found)
			case name == "a":
				link = cidOf(htmltext.ReadAttributes(z).Href)
				images = appendLink(images, link, start, pos)
			default:
				images = appendImages(images, doc, found, pos, parts)
			}
			style = name == "style"
		case html.EndTagToken:
			style = false
			if htmltext.TagName(z.Raw()) == "a" {
				images = appendLink(images, link, start, pos)
				link = ""
			}
		}
	}
	return images[:maxPlaces]
}

// indexImages adds the files that may be images to the parts by Content-ID and by Content-Location.
func indexImages(files []file, parts, located map[string]*part) {
	for _, f := range slices.Backward(files) {
		if isImage(f.part) {
			parts[f.cid] = f.part // the first of equal ids counts
			located[f.location], located[f.relative] = f.part, f.part
		}
	}
	for _, f := range files { // the first of equal names counts
		if f.name != "" && isImage(f.part) {
			addName(parts, f)
			addName(located, f)
		}
	}
	delete(parts, "")
	delete(located, "")
}

// isImage reports whether a part may be an image.
func isImage(p *part) bool {
	return strings.HasPrefix(p.kind, "image/") || p.kind == "application/octet-stream"
}

// addName adds a part by its file name, by which programs reference parts that have neither a
// Content-ID nor a Content-Location.
func addName(parts map[string]*part, f file) {
	if parts[f.name] == nil {
		parts[f.name] = f.part
	}
}

// readTag reads an img element, the current token of z, which ends at end. It reports whether the
// element references a part by its Content-Location.
func (i *image) readTag(z *html.Tokenizer, doc string, end int, located map[string]*part) bool {
	a := htmltext.ReadAttributes(z)
	i.tagTo, i.alt = end, a.Alt
	return i.locate(doc, a.Src, located)
}

// locate finds the part that an img element references by its Content-Location.
func (i *image) locate(doc, src string, located map[string]*part) bool {
	i.part = located[src]
	if i.part == nil {
		name, err := url.PathUnescape(strings.TrimPrefix(src, "./"))
		if err != nil || located[name] == nil {
			return false
		}
		i.part = located[name]
	}
	tag := doc[i.tagFrom:i.tagTo]
	for _, written := range []string{src, strings.ReplaceAll(src, "&", "&amp;")} {
		if n := strings.Index(tag, written); n >= 0 {
			i.name = src
			i.from = i.tagFrom + n
			i.to = i.from + len(written)
			return true
		}
	}
	return false
}

// appendImages appends the cid: URLs in doc[found.tagFrom:end].
func appendImages(images []image, doc string, found image, end int, parts map[string]*part) []image {
	for pos := found.tagFrom; ; {
		i := charset.IndexFold(doc[pos:end], "cid:")
		if i < 0 {
			return images
		}
		found.from = pos + i
		n := strings.IndexAny(doc[found.from:end], " \t\r\n\"'()<>")
		if n < 0 {
			n = end - found.from
		}
		found.to = found.from + n
		found.name = html.UnescapeString(doc[found.from+len("cid:") : found.to])
		if cid, err := url.PathUnescape(found.name); err == nil {
			found.name = cid
		}
		pos = found.to
		if found.from > 0 && isWord(rune(doc[found.from-1])) {
			continue // "acid:" is not a cid: URL
		}
		found.part = parts[found.name]
		images = append(images, found)
	}
}

// appendLink appends a tag of a link to a part; cid is "" for any other link.
func appendLink(images []image, cid string, from, to int) []image {
	if cid == "" {
		return images
	}
	return append(images, image{name: cid, from: from, to: to, tagFrom: from, tagTo: to, isLink: true})
}

// cidOf returns the Content-ID in a cid: URL, "" for any other URL.
func cidOf(href string) string {
	if !hasPrefixFold(href, "cid:") {
		return ""
	}
	return href[len("cid:"):]
}

// placeImages replaces the references to images as the policy says.
func (c *converter) placeImages(doc string, images []image) (string, error) {
	if len(images) == 0 {
		return doc, nil
	}
	p := placer{converter: c, urls: make(map[*part]string)}
	var out strings.Builder
	var open quotes
	pos := 0
	for _, i := range images {
		if i.from < pos {
			continue // within an element that was replaced
		}
		with, err := p.url(i)
		if err != nil {
			return "", err
		}
		from, to := i.from, i.to
		if with == "" && i.tagTo > 0 {
			from, to, with = i.tagFrom, i.tagTo, i.altText()
		}
		if from == i.from && open.isUnquoted(doc, i.tagFrom, from) { // or the next attribute would be the value
			with = `"` + with + `"`
		}
		out.WriteString(doc[pos:from])
		out.WriteString(with)
		pos = to
	}
	out.WriteString(doc[pos:])
	return out.String(), nil
}

// quotes follows the quotes of tags, from left to right.
type quotes struct {
	pos   int  // up to where doc was read
	quote byte // the one that is open there, 0 for none
}

// isUnquoted reports whether an attribute value that is not in quotes begins at pos, in a tag that
// begins at tag.
func (q *quotes) isUnquoted(doc string, tag, pos int) bool {
	if q.pos < tag {
		*q = quotes{pos: tag}
	}
	for ; q.pos < pos; q.pos++ {
		switch c := doc[q.pos]; {
		case q.quote == 0 && (c == '"' || c == '\''):
			q.quote = c
		case c == q.quote:
			q.quote = 0
		}
	}
	return q.quote == 0 && strings.HasSuffix(doc[tag:pos], "=")
}

// placer is the state of placeImages.
type placer struct {
	*converter
	urls     map[*part]string // "" for an image that cannot be shown
	embedded int              // octets embedded so far
}

// url returns the URL to put in place of a reference, "" for none.
func (p *placer) url(i image) (string, error) {
	if i.isLink {
		p.warn(LinkDropped, "", "link to part %s dropped: its text is kept", quote(i.name))
		return "", nil
	}
	if i.part == nil {
		p.warn(ImageMissing, "", "image %s not found in the message", quote(i.name))
		return "", nil
	}
	u, seen := p.urls[i.part]
	if !seen {
		var err error
		u, err = p.show(i.part)
		if err != nil {
			return "", err
		}
		p.urls[i.part] = u
	}
	if strings.HasPrefix(u, "data:") {
		n := base64.StdEncoding.DecodedLen(len(u))
		if p.embedded+n > maxImages {
			p.warn(ImageDropped, i.part.id, "image %s dropped: embedded images exceed %d KiB in total",
				quote(i.part.name), maxImages>>10)
			return "", nil
		}
		p.embedded += n
	}
	return html.EscapeString(u), nil
}

// show applies the policy to an image and returns its URL, "" if it is dropped.
func (p *placer) show(img *part) (string, error) {
	switch p.options.InlineImages {
	case Link:
		return p.linkImage(img)
	case Drop:
		p.warn(ImageDropped, img.id, "image %s dropped", quote(img.name))
		return "", nil
	}
	return p.embed(img), nil
}

// linkImage has an image stored and returns its URL.
func (p *placer) linkImage(img *part) (string, error) {
	name := fileName(img, len(p.linked.Images)+1)
	file, err := p.link(attachment{part: img, stream: p.stream(img), name: name, isInline: true})
	p.linked.Images = append(p.linked.Images, file)
	return file.URL, err
}

// embed returns the data: URI (RFC 2397) of an image, "" if it is too large.
func (p *placer) embed(img *part) string {
	data := p.decode(img)
	defer p.reserve(-img.decodedSize())
	kind := img.kind
	if !strings.HasPrefix(kind, "image/") {
		kind = sniffImage(data)
	}
	switch {
	case kind == "":
		p.warn(ImageDropped, img.id, "part %s dropped: it is not an image", quote(img.name))
		return ""
	case len(data) > maxImage:
		p.warn(ImageDropped, img.id, "image %s dropped: its size of %s exceeds %d KiB",
			quote(img.name), size(int64(len(data))), maxImage>>10)
		return ""
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
}

// sniffImage returns the media type of an image by its first octets, "" if unknown.
func sniffImage(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png"
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return "image/jpeg"
	case bytes.HasPrefix(data, []byte("GIF8")):
		return "image/gif"
	}
	return ""
}

// altText returns the HTML that replaces an image that is not shown: its alternative text,
// else its name.
func (i *image) altText() string {
	text := i.alt
	if text == "" && i.part != nil {
		text = i.part.name
	}
	if text == "" {
		return ""
	}
	return html.EscapeString("[" + text + "]")
}
