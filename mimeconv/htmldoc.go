package mimeconv

import (
	"strings"

	"golang.org/x/net/html"

	"heyrelay/mimeconv/charset"
	"heyrelay/mimeconv/htmltext"
)

// bodyOnly returns the content of the body and the styles of a document, as a fragment that
// can be inserted into another document.
func bodyOnly(doc string) string {
	z := html.NewTokenizer(strings.NewReader(doc))
	var b, title strings.Builder
	skip := false // in the title
	for {
		switch z.Next() {
		case html.ErrorToken:
			if skip { // it is never closed and contains the whole document
				b.WriteString(title.String())
			}
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
		if skip {
			title.Write(z.Raw())
		} else {
			b.Write(z.Raw())
		}
	}
}

// insertAtEnd inserts a fragment at the end of the body of a document, behind whatever is open
// there.
func insertAtEnd(doc, fragment string) string {
	end := htmltext.FindEnding(doc)
	return insert(doc, end.Pos, end.Closing+fragment)
}

// insertNotes inserts notes at the end of a document. If something is open there that could hide
// them, it inserts them at its start.
func insertNotes(doc, fragment string) string {
	if fragment == "" {
		return doc
	}
	end := htmltext.FindEnding(doc)
	if end.IsClosed {
		return insert(doc, end.Pos, fragment)
	}
	return insert(doc, htmltext.Start(doc), fragment)
}

func insert(doc string, pos int, fragment string) string { return doc[:pos] + fragment + doc[pos:] }

// declareUTF8 changes the charset that a document declares to UTF-8 and nothing else.
func declareUTF8(doc string) string {
	from, to, ok := charset.MetaCharset(doc)
	if !ok || charset.Name(doc[from:to]) == "utf-8" {
		return doc
	}
	return doc[:from] + "utf-8" + doc[to:]
}

// joinHTML joins the sections to one document. The first section that was sent as HTML is
// kept as written; the others are inserted before and after it, within its body.
func (c *converter) joinHTML(sections []section) (string, error) {
	if len(sections) == 1 && sections[0].html == "" {
		return c.writeHTML(sections[0].text), nil
	}
	var doc string
	var before, after strings.Builder
	around := &before
	for _, s := range sections {
		switch {
		case s.html != "" && doc == "":
			doc, around = s.html, &after
		case s.html != "":
			fragment := bodyOnly(s.html)
			around.WriteString("<div>" + fragment + htmltext.FindEnding(fragment).Closing + "</div>\n")
			c.reserve(2 * len(fragment))
		default:
			around.WriteString(c.writeHTML(s.text))
		}
		if before.Len()+len(doc)+after.Len() > c.maxBody {
			return "", c.errTooLarge()
		}
	}
	if before.Len()+after.Len() > 0 {
		c.reserve(before.Len() + len(doc) + after.Len())
	}
	if before.Len() > 0 {
		doc = insert(doc, htmltext.Start(doc), before.String())
	}
	if after.Len() > 0 {
		doc = insertAtEnd(doc, after.String())
	}
	return doc, nil
}

// joinText joins the sections to one plain text.
func (c *converter) joinText(sections []section) (string, error) {
	var texts []string
	size := 0
	for _, s := range sections {
		text := s.text
		if text == "" {
			text = htmltext.Render(s.html, c.maxBody)
			c.reserve(len(text))
		}
		if text != "" {
			texts = append(texts, text)
		}
		size += len(text)
		if size > c.maxBody {
			return "", c.errTooLarge()
		}
	}
	return strings.Join(texts, "\n\n"), nil
}

// joinNonEmpty joins two texts with a blank line between them.
func joinNonEmpty(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n\n" + b
}
