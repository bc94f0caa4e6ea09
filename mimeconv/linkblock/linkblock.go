// Package linkblock writes the block of a body that lists the files of a message, with a link to
// each, from templates that a route can replace.
package linkblock

import (
	"cmp"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"regexp"
	"strings"
	"sync"
	"text/template"
	"time"

	"heyrelay/mimeconv/htmltext"
)

// Data is what the templates are given.
type Data struct {
	Files   []File    // attachments
	Images  []File    // images that the HTML shows
	Until   string    // the last day on which the links can be used, such as "24 February 2027"
	Expires time.Time // when they expire, in UTC
}

// File is a file of a message.
type File struct {
	Name        string // "Rechnung 4711.pdf"
	Type        string // for people: "PDF"
	ContentType string // "application/pdf"
	Size        string // for people: "1.2 MB"
	Octets      int64
	URL         string
}

// Block has a template for each body. It can be used concurrently.
type Block struct {
	html *htmltemplate.Template
	text *template.Template
}

// DefaultHTML is the template of the HTML body. Mail programs show tables and inline styles, and
// little else.
const DefaultHTML = `
{{- with .Files -}}
<table cellpadding="0" cellspacing="0" border="0" style="border-collapse:collapse;margin:16px 0;` +
	`font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:20px">
<tr><td colspan="3" style="padding:6px 0"><b>Attachments</b></td></tr>
{{range .}}<tr><td style="border-top:1px solid #cccccc;padding:6px 16px 6px 0"><a href="{{.URL}}">{{.Name}}</a></td>` +
	`<td style="border-top:1px solid #cccccc;padding:6px 16px 6px 0;white-space:nowrap">{{.Type}}</td>` +
	`<td align="right" style="border-top:1px solid #cccccc;padding:6px 0;white-space:nowrap">{{.Size}}</td></tr>
{{end}}<tr><td colspan="3" style="border-top:1px solid #cccccc;padding:6px 0">Available until {{$.Until}}</td></tr>
</table>
{{- end}}`

// DefaultText is the template of the plain text body.
const DefaultText = `
{{- with .Files}}Attachments:
{{range .}}
{{.Name}} ({{.Type}}, {{.Size}})
<{{.URL}}>
{{end}}
{{end}}{{with .Images}}Images:
{{range .}}
{{.Name}} ({{.Type}}, {{.Size}})
<{{.URL}}>
{{end}}
{{end}}Available until {{.Until}}.
`

// Default returns the block of the default templates.
var Default = sync.OnceValue(func() *Block {
	b, err := New("", "")
	if err != nil {
		panic(err) // a mistake in this file
	}
	return b
})

// New parses the templates of both bodies, html with html/template and text with text/template, and
// tries them. An empty one is replaced by the default. The error says what is wrong, and in which
// line of the template as far as that is known.
func New(html, text string) (*Block, error) {
	var b Block
	var err error
	b.html, err = htmltemplate.New("").Parse(cmp.Or(html, DefaultHTML))
	if err == nil {
		err = b.tryHTML()
	}
	if err != nil {
		return nil, explained(err)
	}
	b.text, err = template.New("").Parse(cmp.Or(text, DefaultText))
	if err == nil {
		err = b.tryText()
	}
	if err != nil {
		return nil, explained(err)
	}
	return &b, nil
}

// tryHTML checks that the HTML has a link to each attachment, and closes what it opens.
func (b *Block) tryHTML() error {
	out, err := b.HTML(sample)
	switch {
	case err != nil:
		return err
	case !linksTo(out, sample.Files):
		return errNoLinks(".Files")
	case !htmltext.FindEnding(out).IsClosed:
		return errors.New("it opens an element that it does not close, or the other way round")
	}
	return nil
}

// tryText checks that the plain text has the links to all attachments and images.
func (b *Block) tryText() error {
	out, err := b.Text(sample)
	switch {
	case err != nil:
		return err
	case !linksTo(out, sample.Files):
		return errNoLinks(".Files")
	case !linksTo(out, sample.Images):
		return errNoLinks(".Images")
	}
	return nil
}

// HTML returns the block of the HTML body.
func (b *Block) HTML(d Data) (string, error) {
	var out strings.Builder
	err := b.html.Execute(&out, d)
	return out.String(), err
}

// Text returns the block of the plain text body.
func (b *Block) Text(d Data) (string, error) {
	var out strings.Builder
	err := b.text.Execute(&out, d)
	return out.String(), err
}

// sample is what a template is tried with.
var sample = Data{
	Files: []File{
		{"Rechnung 4711.pdf", "PDF", "application/pdf", "1.2 MB", 1_200_000, "https://files.example.com/f/one"},
		{"Übersicht.csv", "CSV", "text/csv", "8 bytes", 8, "https://files.example.com/f/two"},
	},
	Images:  []File{{"logo.png", "PNG", "image/png", "3 KB", 3000, "https://files.example.com/f/three"}},
	Until:   "24 February 2027",
	Expires: time.Date(2027, 2, 26, 9, 30, 0, 0, time.UTC),
}

func linksTo(text string, files []File) bool {
	for _, f := range files {
		if !strings.Contains(text, f.URL) {
			return false
		}
	}
	return true
}

func errNoLinks(list string) error {
	return fmt.Errorf("it does not write the .URL of each of %s", list)
}

// place is where the libraries say that an error is, with the name of the template.
var place = regexp.MustCompile(`^(?:html/)?template: ?"?"?:?(\d+)(?::\d+)?: `)

// explained names the line of the template in which an error is.
func explained(err error) error {
	text := err.Error()
	text = strings.Replace(text, "linkblock.", "", 1) // a type of this package
	if m := place.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("line %s: %s", m[1], strings.TrimPrefix(text[len(m[0]):], `executing "" at `))
	}
	return errors.New(text)
}
