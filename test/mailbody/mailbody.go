// Package mailbody makes the bodies of the messages with which performance is measured: the fields of MIME,
// an empty line, and the content. Each ends in CRLF, and has no line that begins with a dot.
package mailbody

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"
)

const sentence = "the printer on the third floor says that it is on fire and would like somebody to come and " +
	"extinguish it very soon "

// Small is a line of text, without a field.
func Small() string { return "\r\n" + sentence[:70] + "\r\n" }

// Plain has 4 KB of text.
func Plain() string {
	return "Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(sentence[:70]+"\r\n", 56)
}

// Alternative has 8 KB of text and 22 KB of HTML, quoted-printable.
func Alternative() string {
	var text, html bytes.Buffer
	t, h := quotedprintable.NewWriter(&text), quotedprintable.NewWriter(&html)
	for i := range 100 {
		fmt.Fprintf(t, "Zeile %d: Grüße, %s\r\n", i, sentence[:55])
		const row = `<tr><td style="padding:4px">%d</td><td style="padding:4px;color:#333">Grüße, %s</td></tr>` + "\r\n"
		fmt.Fprintf(h, row, i, sentence)
	}
	if err := errors.Join(t.Close(), h.Close()); err != nil {
		panic(err) // buffers take everything
	}
	return "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n" +
		"--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		text.String() +
		"\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"<html><body><table>" + html.String() + "</table></body></html>\r\n--b1--\r\n"
}

// Attachment is a text with a file of 1 MB.
func Attachment() string {
	file := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(file) // it never fails
	var lines strings.Builder
	for encoded := base64.StdEncoding.EncodeToString(file); encoded != ""; {
		n := min(76, len(encoded))
		lines.WriteString(encoded[:n] + "\r\n")
		encoded = encoded[n:]
	}
	return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n" +
		"--b1\r\n" + Plain() +
		"--b1\r\nContent-Type: application/pdf; name=report.pdf\r\n" +
		"Content-Disposition: attachment; filename=report.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		lines.String() + "--b1--\r\n"
}
