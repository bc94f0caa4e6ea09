package mimeconv

import (
	"strings"

	"golang.org/x/net/html"

	"heyrelay/mimeconv/charset"
	"heyrelay/mimeconv/htmltext"
)

// bodyStart is the offset just behind a document's body tag, 0 when it has none.
func bodyStart(doc string) int {
	if charset.IndexFold(doc, "<body") < 0 {
		return 0
	}
	z := html.NewTokenizer(strings.NewReader(doc))
	for pos := 0; ; {
		token := z.Next()
		pos += len(z.Raw())
		switch token {
		case html.ErrorToken:
			return 0
		case html.StartTagToken:
			if htmltext.TagName(z.Raw()) == "body" {
				return pos
			}
		}
	}
}

// bodyOnly is what stands in a document's body, and its styles: a fragment that
// can stand in another document.
func bodyOnly(doc string) string {
	z := html.NewTokenizer(strings.NewReader(doc))
	var b strings.Builder
	skip := false // in the title
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.DoctypeToken:
			continue
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			switch raw := z.Raw(); htmltext.TagName(raw) {
			case "html", "head", "body", "meta", "base", "link":
			case "title":
				skip = !skip
			default:
				b.Write(raw)
			}
			continue
		}
		if !skip {
			b.Write(z.Raw())
		}
	}
}

// insertAtEnd puts a fragment at the end of a document's body.
func insertAtEnd(doc, fragment string) string {
	if fragment == "" {
		return doc
	}
	end := lastIndexFold(doc, "</body")
	if end < 0 {
		end = lastIndexFold(doc, "</html")
	}
	if end < 0 {
		end = len(doc)
	}
	return doc[:end] + fragment + doc[end:]
}

// declareUTF8 mends what a document says of its charset: from here on it is
// UTF-8. The rest stays as it was written.
func declareUTF8(doc string) string {
	from, to, ok := charset.MetaCharset(doc)
	if !ok || charset.Name(doc[from:to]) == "utf-8" {
		return doc
	}
	return doc[:from] + "utf-8" + doc[to:]
}

// joinHTML makes one document of the sections. The first that was sent as HTML
// stays as it is written; the others are put before and behind it, in its body.
func joinHTML(sections []section) (string, error) {
	if len(sections) == 1 && sections[0].html == "" {
		return writeHTML(sections[0].text), nil
	}
	var doc string
	var before, after strings.Builder
	around := &before
	for _, s := range sections {
		switch {
		case s.html != "" && doc == "":
			doc, around = s.html, &after
		case s.html != "":
			around.WriteString("<div>" + bodyOnly(s.html) + "</div>\n")
		default:
			around.WriteString(writeHTML(s.text))
		}
		if before.Len()+len(doc)+after.Len() > maxBody {
			return "", errTooLarge()
		}
	}
	if before.Len() > 0 {
		start := bodyStart(doc)
		doc = doc[:start] + before.String() + doc[start:]
	}
	return insertAtEnd(doc, after.String()), nil
}

// joinText makes one plain text of the sections.
func joinText(sections []section) (string, error) {
	var texts []string
	size := 0
	for _, s := range sections {
		text := s.text
		if text == "" {
			text = htmltext.Render(s.html)
		}
		if text != "" {
			texts = append(texts, text)
		}
		if size += len(text); size > maxBody {
			return "", errTooLarge()
		}
	}
	return strings.Join(texts, "\n\n"), nil
}

// joinNonEmpty puts a blank line between two texts.
func joinNonEmpty(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n\n" + b
}
