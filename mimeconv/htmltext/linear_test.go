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
					Render(doc, 1<<20)
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

// White space that shows, between what is written once if nothing but white space is between.
func TestBlanksAreLinear(t *testing.T) {
	const link = "<a href=http://a.b/>"
	for unit, n := range map[string]int{
		"&nbsp;<hr>":                    15 << 10,
		"&zwnj;" + link + "</a>":        50 << 10,
		"&nbsp;" + link + "</a>":        50 << 10,
		link + "<table><tr><td>&nbsp;x": 50 << 10,
	} {
		t.Run(unit, func(t *testing.T) {
			input := func(n int) []byte {
				return []byte(link + "x</a>" + strings.Repeat(unit, n/len(unit)) + strings.Repeat("\u00a0", n/2))
			}
			fuzztest.Linear(t, n, input, func(b []byte) { Render(string(b), 1<<20) })
		})
	}
}

// The marks of lists and quotations before each line are no way to make much of little.
func TestTextIsBounded(t *testing.T) {
	const limit = 100_000
	for _, mark := range []string{"<blockquote>", "<ol start=9223372036854775807><li>"} {
		doc := strings.Repeat(mark, 12) + "<pre>" + strings.Repeat("x\n", limit/3)
		if got := Render(doc, limit); len(got) <= limit || len(got) > limit+1000 {
			t.Errorf("%s: %d octets, want little more than %d", mark, len(got), limit)
		}
	}
}
