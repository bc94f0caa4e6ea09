package linkblock_test

import (
	"fmt"
	"time"

	"heyrelay/mimeconv/linkblock"
)

func ExampleNew() {
	const html = `<ul>{{range .Files}}<li><a href="{{.URL}}">{{.Name}}</a> ({{.Size}})</li>{{end}}</ul>`
	block, err := linkblock.New(html, "") // the plain text has the default
	if err != nil {
		fmt.Println(err)
		return
	}
	d := linkblock.Data{
		Files: []linkblock.File{{
			Name: "R&D.pdf", Type: "PDF", ContentType: "application/pdf", Size: "1.2 MB", Octets: 1_200_000,
			URL: "https://files.example.com/f/token/R&D.pdf",
		}},
		Until:   "24 February 2027",
		Expires: time.Date(2027, 2, 26, 9, 30, 0, 0, time.UTC),
	}
	doc, _ := block.HTML(d)
	text, _ := block.Text(d)
	fmt.Println(doc)
	fmt.Println(text)
	_, err = linkblock.New("<p>Files:</p>\n{{range .Files}}{{.Link}}{{end}}", "")
	fmt.Println(err)
	// Output:
	// <ul><li><a href="https://files.example.com/f/token/R&amp;D.pdf">R&amp;D.pdf</a> (1.2 MB)</li></ul>
	// Attachments:
	//
	// R&D.pdf (PDF, 1.2 MB)
	// <https://files.example.com/f/token/R&D.pdf>
	//
	// Available until 24 February 2027.
	//
	// line 2: <.Link>: can't evaluate field Link in type File
}
