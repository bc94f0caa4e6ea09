package console

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strings"

	"golang.org/x/net/html"
)

// framePolicy makes a document that a message brings inert: it has an origin of its
// own, runs nothing, submits nothing and loads nothing but images that it contains.
const framePolicy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'self'"

// frameStart is what each such document begins with.
const frameStart = `<!doctype html><meta charset="utf-8"><style>` +
	`body{margin:16px;background:#fff;color:#1b2028;font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}` +
	`img{max-width:100%;height:auto}a[title]{color:#2451c4;text-decoration:underline;cursor:help}</style>`

// writeFrame answers with the HTML of a message, as the document of a frame.
func writeFrame(w http.ResponseWriter, document string) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", framePolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("X-DNS-Prefetch-Control", "off")
	out := bufio.NewWriter(w)
	if _, err := out.WriteString(frameStart); err != nil {
		return err
	}
	if err := writeInert(out, document); err != nil {
		return err
	}
	return out.Flush()
}

// Elements of which writeInert leaves out the tags, with the content where it is true.
// These are what framePolicy does not stop: whatever resolves names or connects without
// loading, and what could give a link its target back. Scripts go along, since they
// would only fill the browser's console with complaints.
var omitted = map[string]bool{
	"script": true, "iframe": true,
	"base": false, "link": false, "meta": false, "animate": false, "set": false,
	"noscript": false, "noembed": false, "noframes": false, "plaintext": false, "xmp": false,
}

// A tag within what is text by one parser, and markup by another.
var innerTag = regexp.MustCompile(`<([A-Za-z/])`)

// maxDepth is how deep elements are nested in a frame. Tags beyond that are left out: a browser
// needs half a minute for 50,000 nested elements.
const maxDepth = 256

// notNested are elements that contain no elements, or that end where the next of their kind begins.
var notNested = setOf("area base br col embed hr img input link meta param source track wbr " +
	"p li dd dt option optgroup tr td th tbody thead tfoot colgroup rp rt " +
	"path rect circle ellipse line polyline polygon use image stop")

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// inert makes a document inert, token by token.
type inert struct {
	*html.Tokenizer
	skip  bool // what is within the last tag
	inRaw bool // within an element that one parser takes for text
	depth int
}

// writeInert writes a document without the targets of its links: a link cannot leave
// the page, and shows where it would lead. Its cost is linear.
func writeInert(w io.Writer, document string) error {
	d := inert{Tokenizer: html.NewTokenizer(strings.NewReader(document))}
	for {
		kind := d.Next()
		if kind == html.ErrorToken {
			return nil // the end: a string reader has no other error
		}
		if _, err := w.Write(d.token(kind)); err != nil {
			return err
		}
	}
}

// token returns what is left of the present token.
func (d *inert) token(kind html.TokenType) []byte {
	text := d.Raw()
	skip, inRaw := d.skip, d.inRaw
	d.skip, d.inRaw = false, false
	switch kind {
	case html.DoctypeToken:
		return nil // frameStart has one
	case html.TextToken:
		if skip {
			return nil
		}
		if inRaw {
			return innerTag.ReplaceAll(text, []byte("< $1"))
		}
	case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
		raw := string(text) // Token reuses the buffer
		return d.tag(d.Token(), raw)
	}
	return text
}

// tag returns what is left of a tag.
func (d *inert) tag(t html.Token, raw string) []byte {
	content, without := omitted[t.Data]
	switch {
	case without && content:
		d.skip = t.Type == html.StartTagToken
		return nil
	case without:
		d.NextIsNotRawText()
		return nil
	case d.tooDeep(t):
		d.NextIsNotRawText()
		return nil
	}
	d.inRaw = t.Type == html.StartTagToken && (t.Data == "style" || t.Data == "title" || t.Data == "textarea")
	return []byte(withoutTarget(t, raw))
}

// tooDeep counts how deep elements are nested, and reports whether a tag is beyond maxDepth.
func (d *inert) tooDeep(t html.Token) bool {
	if notNested[t.Data] {
		return false
	}
	if t.Type == html.EndTagToken {
		d.depth = max(0, d.depth-1)
		return d.depth >= maxDepth
	}
	d.depth++
	return d.depth > maxDepth
}

// withoutTarget returns a tag without href; its title is the target then.
func withoutTarget(token html.Token, raw string) string {
	target, found := "", false
	kept := token.Attr[:0]
	for _, a := range token.Attr {
		if a.Key == "href" || a.Key == "xlink:href" {
			target, found = a.Val, true
			continue
		}
		kept = append(kept, a)
	}
	if !found {
		return raw
	}
	token.Attr = kept
	for i := range token.Attr {
		if token.Attr[i].Key == "title" {
			token.Attr[i].Val += " (" + target + ")"
			return token.String()
		}
	}
	token.Attr = append(token.Attr, html.Attribute{Key: "title", Val: target})
	return token.String()
}
