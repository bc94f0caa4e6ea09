package config

import (
	"heyrelay/mimeconv/linkblock"
)

// LinkBlock has the templates of the block that lists the linked files in the bodies.
type LinkBlock struct {
	// The template of the HTML body (Go's html/template). Its fields include .Files, the
	// attachments, each with .Name, .Type, .Size and .URL; and .Until, the last day on
	// which the links work. Default: a table.
	HTML string `yaml:"html" example:"'{{range .Files}}<p><a href=\"{{.URL}}\">{{.Name}}</a></p>{{end}}'"`

	// The template of the plain text body (text/template). It also has .Images, the images
	// that the HTML shows. Default: a list.
	Text string `yaml:"text" example:"'{{range .Files}}{{.URL}} {{end}}{{range .Images}}{{.URL}} {{end}}'"`
}

// Parsed returns the block that the templates write. The error says what is wrong with them, and in
// which line of which.
func (b LinkBlock) Parsed() (*linkblock.Block, error) { return linkblock.New(b.HTML, b.Text) }

// validateLinkBlock checks the templates by trying them.
func (l *loader) validateLinkBlock(path string, r Route) {
	const advice = "write a Go template; docs/attachments.md explains its fields"
	for key, block := range map[string]LinkBlock{"html": {HTML: r.LinkBlock.HTML}, "text": {Text: r.LinkBlock.Text}} {
		if _, err := block.Parsed(); err != nil {
			l.doc.Reject(path+"."+key, "the template cannot be used: "+err.Error(), advice)
		}
	}
}

// warnLinkBlock warns of keys that have no effect, as nothing is linked.
func (l *loader) warnLinkBlock(path string, r Route) {
	if !r.Links() && r.LinkBlock != (LinkBlock{}) {
		l.doc.Warn(path+".link_block", "nothing is linked on route "+r.Name, "write attachments: link, or remove it")
	}
	if r.Attachments != AttachmentsLink && len(r.LinkAlso) > 0 {
		l.doc.Warn(path+".link_also", "no attachment is linked on route "+r.Name, "write attachments: link, or remove it")
	}
}
