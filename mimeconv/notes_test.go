package mimeconv

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// hiding are starts of HTML that hide, or do not show as text, what follows them.
var hiding = []string{
	"<div hidden>", "<div style='display:none'>", "<span style=display:none>", "<p hidden><div hidden>", "<b hidden><p>",
	"<section hidden><object></section></object>", "<div hidden><table><tr><td></div></table>",
	"<div hidden><template></div></template>", "<div hidden><select></div></select>", "<span hidden><p></span>",
	"<a href='x", `<a href="x`, "<a href=x", "<a href", "<a", "</a", "<", "</", "<!", "<?x", "<!-- x", "<!--", "<!--x--",
	"<!-", "<!DOCTYPE x", "<![CDATA[x", "<textarea>", "<title>", "<style>", "<script>", "<script><!--<script>",
	"<script><!--<script></script>", "<xmp>", "<noscript>", "<iframe>", "<noembed>", "<noframes>", "<plaintext>",
	"<select>", "<select><option>", "<select><optgroup>", "<template>", "<svg>", "<svg><title>", "<svg><desc>", "<math>",
	"<math><mi>", "<object>", "<video>", "<audio>", "<canvas>", "<details>", "<details><summary>x</summary>", "<dialog>",
	"<frameset>", "<table hidden>", "<table><tr hidden><td>", "<table><colgroup>", "<table><caption hidden>",
	"<button hidden>", "<ruby><rt hidden>", "<datalist>", "<ul hidden><li>", "<applet>", "<marquee hidden>",
	"<font hidden>", "<x-unknown hidden>", "<div hidden/>", "<div\nhidden>", "<DIV HIDDEN>", "<pre hidden>",
	"<h1 hidden><h2>", "<nobr hidden>", "<form hidden><form></form>", "<li hidden>", "<dd hidden><p>",
}

// TestNotesAreShown: whatever is open in HTML, the line that names a dropped attachment is
// shown, and so is the link to a stored one, at its start or at its end.
func TestNotesAreShown(t *testing.T) {
	shapes := []struct{ before, after string }{
		{"<p>Hello</p>", ""},
		{"<html><body><p>Hello</p>", "</body></html>"},
		{"<!DOCTYPE html><html><head><style>p {color: red}</style></head><body>Hello", "</body></html>\n"},
		{"", "<body>Hello</body>"},
		{"<html><head>", "</head><body>Hello</body></html>"},
		{"<p>Hello</p>", "<!-- </body> -->"},
		{"Hello", "x</div></span>"},
	}
	for _, shape := range shapes {
		checkNote(t, shape.before+shape.after)
		for _, h := range hiding {
			checkNote(t, shape.before+h+shape.after)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		doc := "Hello"
		for range 1 + random.IntN(4) {
			doc += hiding[random.IntN(len(hiding))]
			if random.IntN(2) == 0 {
				doc += []string{"</div>", "</p>", "-->", "</select>", "'>", `">`, "</body>", "</table>", "x"}[random.IntN(9)]
			}
		}
		checkNote(t, doc)
	}
}

// checkNote has a browser's parser find the note in the body of doc.
func checkNote(t *testing.T, doc string) {
	t.Helper()
	raw := multipart("mixed", "--b\r\nContent-Type: text/html\r\n\r\n"+doc+
		"\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\r\nx\r\n")
	m, err := Convert([]byte(raw), Options{Attachments: Drop})
	if err != nil {
		t.Errorf("%q: %v", doc, err)
		return
	}
	if !shows(t, m.HTML, isNoteShown) {
		t.Errorf("%q: not shown in %q", doc, m.HTML)
	}
	if !strings.Contains(m.Text, "[Attachment not sent: a.pdf") {
		t.Errorf("%q: not in the text %q", doc, m.Text)
	}
	link := func(Attachment) (string, error) { return linked, nil }
	m, err = Convert([]byte(raw), Options{Attachments: Link, Link: link})
	if err != nil || !shows(t, m.HTML, isLinkShown) || !strings.Contains(m.Text, "<"+linked+">") {
		t.Errorf("%q: no link in %q and %q, %v", doc, m.HTML, m.Text, err)
	}
}

// linked is where a.pdf is stored.
const linked = "https://files.example/1"

// shows reports whether a browser shows what is looked for in doc.
func shows(t *testing.T, doc string, is func(*html.Node) bool) bool {
	t.Helper()
	root, err := html.ParseWithOptions(strings.NewReader(doc), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	return is(root)
}

// isNoteShown reports whether a text within nothing but p, body and html, and a link that the
// document has begun, is the note.
func isNoteShown(n *html.Node) bool {
	if n.Type == html.TextNode {
		return strings.HasPrefix(n.Data, "[Attachment not sent: a.pdf")
	}
	isPlain := slices.Contains([]string{"html", "body", "p"}, n.Data) && len(n.Attr) == 0
	if n.Type != html.DocumentNode && n.Data != "a" && !isPlain || n.Namespace != "" {
		return false
	}
	for child := range n.ChildNodes() {
		if isNoteShown(child) {
			return true
		}
	}
	return false
}

// isLinkShown reports whether a link to a.pdf is within nothing but the table of links and what
// isNoteShown allows.
func isLinkShown(n *html.Node) bool {
	isLink := func(a html.Attribute) bool { return a.Key == "href" && a.Val == linked }
	if n.Type == html.ElementNode && n.Data == "a" && slices.ContainsFunc(n.Attr, isLink) {
		return n.FirstChild != nil && n.FirstChild.Data == "a.pdf"
	}
	isHiding := func(a html.Attribute) bool { return a.Key == "hidden" || strings.Contains(a.Val, "display") }
	isTable := slices.Contains([]string{"table", "tbody", "tr", "td"}, n.Data) && !slices.ContainsFunc(n.Attr, isHiding)
	isPlain := slices.Contains([]string{"html", "body", "p"}, n.Data) && len(n.Attr) == 0
	if n.Type != html.DocumentNode && n.Data != "a" && !isPlain && !isTable || n.Namespace != "" {
		return false
	}
	for child := range n.ChildNodes() {
		if isLinkShown(child) {
			return true
		}
	}
	return false
}

// TestSectionsAreShown: whatever is open at the end of an HTML part, the text part behind it is
// no part of it. Nothing closes <plaintext>, which shows everything.
func TestSectionsAreShown(t *testing.T) {
	for _, h := range hiding {
		if h == "<plaintext>" {
			continue
		}
		raw := multipart("mixed", "--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>"+h+
			"\r\n--b\r\n\r\n[Attachment not sent: a.pdf, says the text]\r\n")
		m, err := Convert([]byte(raw), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !shows(t, m.HTML, isNoteShown) {
			t.Errorf("%q: not shown in %q", h, m.HTML)
		}
	}
}
