package linkblock_test

import (
	"strings"
	"testing"
	"time"

	"heyrelay/mimeconv/linkblock"
)

var data = linkblock.Data{
	Files: []linkblock.File{{
		Name:        `<b>&"'.pdf`,
		Type:        "PDF",
		ContentType: "application/pdf",
		Size:        "1.2 MB",
		Octets:      1_200_000,
		URL:         "https://files.example.com/f/x?a=1&b=2",
	}},
	Until:   "24 February 2027",
	Expires: time.Date(2027, 2, 26, 9, 30, 0, 0, time.UTC),
}

// TestDefault: name, type, size, link and time are in both bodies, and a name cannot be HTML.
func TestDefault(t *testing.T) {
	block, err := linkblock.New("", "")
	if err != nil {
		t.Fatal(err)
	}
	html, err := block.HTML(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<a href="https://files.example.com/f/x?a=1&amp;b=2">&lt;b&gt;&amp;&#34;&#39;.pdf</a>`, ">PDF<", ">1.2 MB<",
		">Available until 24 February 2027<",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%s is not in %s", want, html)
		}
	}
	text, err := block.Text(data)
	want := "Attachments:\n\n<b>&\"'.pdf (PDF, 1.2 MB)\n" +
		"<https://files.example.com/f/x?a=1&b=2>\n\nAvailable until 24 February 2027.\n"
	if text != want || err != nil {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
}

// TestOwn: a route's templates replace the defaults.
func TestOwn(t *testing.T) {
	block, err := linkblock.New(
		`<p>{{range .Files}}<a href="{{.URL}}">{{.Name}}</a> {{end}}bis {{.Expires.Format "02.01.2006"}}</p>`,
		`{{range .Files}}{{.URL}} {{.Octets}} {{.ContentType}}{{end}}{{range .Images}}{{.URL}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	html, _ := block.HTML(data)
	text, _ := block.Text(data)
	if !strings.HasSuffix(html, "bis 26.02.2027</p>") || text != data.Files[0].URL+" 1200000 application/pdf" {
		t.Errorf("got %s and %s", html, text)
	}
}

// TestMistakes: a template that cannot be used is an error, which names the line.
func TestMistakes(t *testing.T) {
	const rows = `{{range .Files}}<a href="{{.URL}}">x</a>{{end}}`
	for text, want := range map[string]string{
		"\n\n{{range .Files}":                             `line 3: `,
		"{{.Files}}\n{{upper .Until}}":                    `line 2: function "upper" not defined`,
		rows + "\n{{.Sender}}":                            `line 2: <.Sender>: can't evaluate field Sender`,
		rows + "\n{{(index .Files 7).URL}}":               "line 2: ",
		"<p>nothing</p>":                                  "it does not write the .URL of each of .Files",
		`<a href="{{(index .Files 0).URL}}">x</a>`:        "it does not write the .URL of each of .Files",
		rows + "<div>":                                    "it opens an element that it does not close",
		rows + "<!-- ":                                    "ends in a non-text context",
		rows + "\n<script>{{if .Until}}'{{end}}</script>": "line 2: ",
	} {
		_, err := linkblock.New(text, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"\n{{end}}": "line 2: unexpected {{end}}",
		"{{range .Files}}{{.URL}}\n{{.X}}{{end}}": "line 2: <.X>: can't evaluate field X",
		"Look into the portal":                    "it does not write the .URL of each of .Files",
		"{{range .Files}}{{.URL}}{{end}}":         "it does not write the .URL of each of .Images",
	} {
		_, err := linkblock.New("", text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
