package htmltext

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// HasContent reports whether an HTML document shows anything: text outside scripts,
// styles and the title, or an image.
func HasContent(doc string) bool {
	z := html.NewTokenizer(strings.NewReader(doc))
	silent := false // in a script, a style or the title
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.TextToken:
			if !silent && !IsBlank(html.UnescapeString(string(z.Raw()))) {
				return true
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			switch TagName(z.Raw()) {
			case "img":
				return true
			case "script", "style", "title":
				silent = true
			}
		case html.EndTagToken:
			silent = false
		}
	}
}

// IsBlank reports whether s consists of white space and zero-width characters.
func IsBlank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsSpace(r) && !strings.ContainsRune("\u00ad\u034f\u200b\u200c\u200d\ufeff", r)
	})
}
