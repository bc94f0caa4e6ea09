// Package mailbody makes the bodies of the messages with which performance is measured: the fields of MIME,
// an empty line, and the content. Each ends in CRLF, and has no line that begins with a dot. A body is the same
// each time.
//
// They are made of the words, names, numbers and links of business mail, and as hard to compress: 4 KB of prose
// give 2.0 to 2.4 times to flate and 1.4 to 1.6 times to s2 (the GPL and the files of docs), mail that others
// collected 2.2 to 3.1 and 1.6 to 2.3 times. Plain gives 2.0 and 1.3, Alternative, which says everything twice
// and has a markup that repeats, 5.5 and 3.6. Nothing compresses the file of Attachment but for its base64.
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

// Small is a line of text, without a field.
func Small() string {
	return "\r\nthe printer on the third floor says that it is on fire and would like \r\n"
}

// Plain has 4 KB of text.
func Plain() string {
	return "Content-Type: text/plain; charset=utf-8\r\n\r\n" + newAuthor().text(4032)
}

// Alternative has 8 KB of text, a list of goods, and 22 KB of HTML, which has it as a table. Both are
// quoted-printable.
func Alternative() string {
	var text, html bytes.Buffer
	t, h := quotedprintable.NewWriter(&text), quotedprintable.NewWriter(&html)
	a := newAuthor()
	for i := range 100 {
		goods, price, link := a.phrase(5), a.amount(), a.link()
		fmt.Fprintf(t, "Zeile %d: Grüße, %s, %s\r\n", i, goods, price)
		const row = `<tr><td style="padding:4px">%d</td><td style="padding:4px;color:#333"><a href="%s">Grüße, %s</a></td>` +
			`<td align="right">%s</td></tr>` + "\r\n"
		fmt.Fprintf(h, row, i, link, goods, price)
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

// Attachment is a text with a file of 1 MB, which is random.
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

// author writes the same each time.
type author struct{ *rand.Rand }

func newAuthor() author { return author{rand.New(rand.NewPCG(1, 2))} }

// text returns lines of at most 72 octets, together of about size octets.
func (a author) text(size int) string {
	var lines strings.Builder
	line := ""
	for lines.Len() < size {
		next := a.part()
		if line != "" && len(line)+1+len(next) > 72 {
			lines.WriteString(line + "\r\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += next
	}
	return lines.String()
}

// phrase returns n parts.
func (a author) phrase(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = a.part()
	}
	return strings.Join(parts, " ")
}

// part returns a word, or what stands among words.
func (a author) part() string {
	switch a.IntN(40) {
	case 0:
		return names[a.IntN(len(names))]
	case 1:
		return a.amount()
	case 2:
		return fmt.Sprintf("2026-%02d-%02d", 1+a.IntN(12), 1+a.IntN(28))
	case 3:
		return fmt.Sprintf("#%06d", a.IntN(1e6))
	case 4, 5, 6, 7:
		return a.word() + "."
	case 8, 9:
		return a.word() + ","
	default:
		return a.word()
	}
}

// word returns a word, a frequent one more often.
func (a author) word() string {
	at := a.Float64()
	return words[int(at*at*at*float64(len(words)))]
}

func (a author) amount() string { return fmt.Sprintf("%d,%02d EUR", a.IntN(2000), a.IntN(100)) }

func (a author) link() string {
	return fmt.Sprintf("https://shop.example.com/p/%d?c=%x", a.IntN(1e6), a.Uint32())
}
