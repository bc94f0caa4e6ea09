package mimeconv

import (
	"strings"
	"testing"
)

// TestSniff checks what a file is by its content, its declared type and its name, in this order.
func TestSniff(t *testing.T) {
	const (
		docx    = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
		program = "application/vnd.microsoft.portable-executable"
		ole     = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"
	)
	for _, c := range []struct{ name, declared, content, kind, ending string }{
		{"a.pdf", "application/pdf", "%PDF-1.7\n", "application/pdf", "pdf"},
		{"a", generic, "%PDF-1.7\n", "application/pdf", "pdf"},
		{"a.png", "image/png", "PK\x03\x04", zipKind, "zip"},
		{"a.png", "image/png", "MZ\x90\x00", program, "exe"},
		{"a.png", "image/png", "no image", generic, ""},
		{"a.png", "image/gif", "\x89PNG\r\n\x1a\n", "image/png", "png"},
		{"a.txt", "text/plain", "MZ is not a program.", "text/plain", ""},
		{"a.txt", "text/plain", "\x00\x01\x02", generic, ""},
		{"a.docx", generic, "PK\x03\x04", docx, "docx"},
		{"a", docx, "PK\x03\x04", docx, "docx"},
		{"a.docx", docx, "MZ\x90\x00", program, "exe"},
		{"a.docx", docx, "words", generic, ""},
		{"a.doc", "application/msword", ole, "application/msword", "doc"},
		{"a.dat", generic, ole, generic, ""},
		{"a.csv", generic, "a;b\n1;2\n", "text/csv", ""},
		{"a", generic, "words", "text/plain", ""},
		{"a.pdf", "text/plain", "<html><script>", "text/html", "html"},
		{"a.png", "image/png", "<?xml version='1.0'?>\n<svg onload='x'>", "image/svg+xml", "svg"},
		{"a.jpg", "image/jpeg", " \n<SVG>", "image/svg+xml", "svg"},
		{"a.mp3", "audio/mpeg", "\xff\xfb\x90\x00", "audio/mpeg", ""},
		{"a.webp", generic, "RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp", "webp"},
		{"a", "text/plain", "#!/bin/sh\n", "text/x-shellscript", "sh"},
	} {
		if n := sniff(c.name, c.declared, strings.NewReader(c.content)); n.kind != c.kind || n.ending != c.ending {
			t.Errorf("%s, declared %s, with %q: %v, want %s and %q", c.name, c.declared, c.content, n, c.kind, c.ending)
		}
	}
}

// TestTypeName checks what people read of a type.
func TestTypeName(t *testing.T) {
	for _, c := range []struct{ kind, name, want string }{
		{"application/pdf", "a.docx", "PDF"},
		{"application/msword", "a.doc", "DOC"},
		{"text/x-c", "a.c++", "text/x-c"},
		{"audio/mpeg", "a", "audio/mpeg"},
		{generic, "a", "file"},
		{generic, "a.ending", "file"},
	} {
		if got := typeName(c.kind, c.name); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.kind, c.name, got, c.want)
		}
	}
}
