package htmltext

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"heyrelay/mimeconv/internal/fuzztest"
)

// Documents of one piece again and again, as they are and within elements.
func TestHTMLIsLinear(t *testing.T) {
	for _, unit := range []string{
		"a", " ", "\n", "\u200b", "&", "&amp;", "<", ">", "</", "<p>", "</p>", "<br>", "<hr>", "<b>", "</b>",
		"<i></b>", "<div>", "</div>", "<!--", "-->",
		"<!-->", "<!", "<?", "<![CDATA[", "<a href=http://a.b>", "</a>", "<a href=http://a.b>x</a>",
		"<a href=\"", "<img alt=x>", "<img src='",
		"<table>", "<tr>", "<td>", "</td>", "<table><tr><td>x", "<td rowspan=9 colspan=9>", "</table>",
		"<ul><li>", "<li>", "</ul>", "<ol>",
		"<blockquote>", "</blockquote>", "<pre>", "<pre>\n", "<h1>", "<style>", "</style>", "<script>",
		"<textarea>", "<title>", "<select>", "<option>",
		"<p hidden>", "<p style='display:none'>", "a=b ", "a='", "<o:p>", "<svg>", "<math>", "<template>",
		"<noscript>", "<body>", "<head>",
	} {
		for _, start := range []string{"", "<p ", "<table><tr><td>"} {
			t.Run(fmt.Sprintf("%q, %q", start, unit), func(t *testing.T) {
				input := func(n int) []byte { return []byte(start + strings.Repeat(unit, n/len(unit))) }
				fuzztest.Linear(t, 12<<10, input, func(b []byte) {
					doc := string(b)
					Render(doc)
					HasContent(doc)
					FindEnding(doc)
					Start(doc)
					IsBlank(doc)
					z := html.NewTokenizer(strings.NewReader(doc))
					for z.Next() != html.ErrorToken {
						ReadAttributes(z)
					}
				})
			})
		}
	}
}
