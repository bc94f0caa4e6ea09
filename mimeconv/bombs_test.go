package mimeconv

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const head = "From: a@example.com\r\nSubject: bomb\r\nMIME-Version: 1.0\r\n"

// bombs are inputs whose cost grows faster than their size. Each is converted quickly or refused.
var bombs = []struct {
	name string
	make func() string
	kind ErrorKind // 0: it is converted
}{
	{"boundaries nested, 12", func() string { return nested(12) }, 0},
	{"boundaries nested, 13", func() string { return nested(13) }, ErrTooComplex},
	{"boundaries nested, 25", func() string { return nested(25) }, ErrTooComplex},
	{"boundaries nested in forwarded messages", func() string {
		return multipart("mixed", repeat("--b\r\nContent-Type: message/rfc822\r\n\r\n"+
			strings.NewReplacer("boundary=b", "boundary=c", "--b", "--c").Replace(nested(12))+"\r\n", 100))
	}, ErrTooComplex},
	{"messages nested, 8", func() string { return forwards(8) }, 0},
	{"messages nested, 1,000", func() string { return forwards(1000) }, ErrTooComplex},
	{"parts, 999", func() string { return multipart("mixed", repeat("--b\r\n\r\nx\r\n", 999)) }, 0},
	{"parts, 30,000", func() string { return multipart("mixed", repeat("--b\r\n\r\nx\r\n", 30000)) }, ErrTooComplex},
	{"parts of alternatives, 999", func() string {
		return multipart("alternative", repeat("--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n", 999))
	}, 0},
	{"Content-Type, 190 KB", func() string {
		return head + "Content-Type: text/plain; " + repeat("a=b; ", 38000) + "\r\n\r\nx"
	}, ErrTooComplex},
	{"Content-Type of a part, 190 KB", func() string {
		return multipart("mixed", "--b\r\nContent-Type: text/plain; "+repeat("a=\"; ", 38000)+"\r\n\r\nx\r\n")
	}, ErrTooComplex},
	{"Content-Type fields of 16 KB, 64", func() string {
		part := "--b\r\nContent-Type: text/plain; " + repeat("a=\"; ", 3200) + "\r\n\r\nx\r\n"
		return multipart("mixed", repeat(part, 64))
	}, 0},
	{"Content-Type fields of 16 KB, 500", func() string {
		part := "--b\r\nContent-Type: text/plain; " + repeat("a=\"; ", 3200) + "\r\n\r\nx\r\n"
		return multipart("mixed", repeat(part, 500))
	}, ErrTooComplex},
	{"header, 250 KB", func() string { return head + repeat("X: y\r\n", 40000) + "\r\nx" }, 0},
	{"header, 300 KB", func() string { return head + repeat("X: y\r\n", 50000) + "\r\nx" }, ErrTooComplex},
	{"header of a part, 1 MB", func() string {
		return multipart("mixed", "--b\r\n"+repeat("X-Y: z\r\n", 140_000)+"\r\nx\r\n")
	}, ErrTooComplex},
	{"header of a part without fields, 1 MB", func() string {
		return multipart("mixed", "--b\r\n"+repeat("no colon here\r\n", 70000)+"\r\nx\r\n")
	}, 0},
	{"lines of white space in a header", func() string { return head + repeat("Foo: a\r\n \r\n", 20_000) + "x" }, 0},
	{"lines of white space in the header of a part", func() string {
		return multipart("mixed", "--b\r\n"+repeat("Foo: a\r\n \r\n", 20_000)+"x\r\n")
	}, 0},
	{"headers of parts that do not end", func() string {
		return multipart("mixed", repeat("--b\r\nX: y\r\nstray\r\n", 999))
	}, 0},
	{"boundaries that do not occur", func() string {
		return multipart("mixed", repeat("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\nx\r\n", 999))
	}, ErrTooComplex},
	{"lines that almost delimit", func() string {
		return multipart("mixed", "--b\r\n\r\n"+repeat("--b1\r\n", 400_000))
	}, 0},
	{"lines that almost delimit, damaged", func() string {
		return multipart("mixed", " --b x\r\n\r\n"+repeat(" --b1\r\n", 400_000))
	}, 0},
	{"stray header lines", func() string {
		return "Subject: x\r\n" + repeat("stray\r\n", 30000) + "To: x\r\n\r\nx"
	}, 0},
	{"bad base64, 20 MB", func() string {
		return head + "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			repeat("!A", 10<<20)
	}, 0},
	{"bad quoted-printable, 2 MB", func() string {
		return head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + repeat("=", 2<<20)
	}, 0},
	{"text, 9 MB", func() string { return head + "\r\n" + repeat("text and more text\r\n", 450_000) }, ErrTooLarge},
	{"text that grows in HTML", func() string {
		return head + "\r\n" + repeat(">>>>>>>>>> a\r\nb\r\n", 100_000)
	}, ErrTooLarge},
	{"text, 60 MB", func() string { return head + "\r\n" + repeat("text and more text\r\n", 3_000_000) }, ErrTooLarge},
	{"base64 that is text, 20 MB", func() string {
		return head + "Content-Transfer-Encoding: base64\r\n\r\n" + repeat("text, and more of it\r\n", 950_000)
	}, ErrTooLarge},
	{"tabs on one line, 900 KB", func() string { return head + "\r\nx" + repeat("\t", 900_000) + "x" }, ErrTooLarge},
	{"tabs on one line, 8 MB", func() string { return head + "\r\nx" + repeat("\t", 8_300_000) + "x" }, ErrTooLarge},
	{"tabs at the start of a line, 8 MB", func() string {
		return head + "\r\n" + repeat("\t", 8_300_000) + "x"
	}, ErrTooLarge},
	{"blanks on one line, 8 MB", func() string { return head + "\r\nx" + repeat(" ", 8_300_000) + "x" }, ErrTooLarge},
	{"tabs in lines, 8 MB", func() string { return head + "\r\n" + repeat("\tx\r\n", 2_000_000) }, ErrTooLarge},
	{"ampersands, 8 MB", func() string { return head + "\r\n" + repeat("&", 8_300_000) }, ErrTooLarge},
	{"addresses, 8 MB", func() string { return head + "\r\n" + repeat("http://a.example ", 480_000) }, ErrTooLarge},
	{"message, 65 MB", func() string { return head + "\r\n" + repeat("x", 65<<20) }, ErrTooLarge},

	{"encoded words that never end", func() string { return "Subject: " + repeat("=?x", 60000) + "?=\r\n\r\nx" }, 0},
	{"encoded words", func() string { return "Subject: " + repeat("=?q?q?=e4?= ", 16000) + "\r\n\r\nx" }, 0},
	{"quotes in addresses", func() string { return "To: " + repeat(`">,`, 60000) + "\r\n\r\nx" }, 0},
	{"comments in addresses", func() string { return "To: " + repeat(`((`, 100_000) + "\r\n\r\nx" }, 0},
	{"brackets in addresses", func() string { return "To: " + repeat(`[<`, 100_000) + "\r\n\r\nx" }, 0},
	{"names without addresses", func() string { return "To: " + repeat(`a,`, 100_000) + "\r\n\r\nx" }, 0},
	{"names in no charset", func() string {
		return "X: y\r\nContent-Type: a\r\nTo: " + repeat("\xe4 <a@b>,", 20_000) + "\r\n\r\nx"
	}, 0},
	{"Subjects", func() string { return repeat("Subject:\r\n", 25_000) + "\r\nx" }, 0},
	{"groups", func() string { return "To: " + repeat(`a:`, 100_000) + "\r\n\r\nx" }, 0},
	{"brackets in ids", func() string { return "References: " + repeat(`<`, 200_000) + "\r\n\r\nx" }, 0},

	{"tags, too many", func() string { return htmlMail(repeat("<br>", 60_001) + "x") }, ErrTooComplex},
	{"elements nested", func() string { return htmlMail(repeat("<div>", 60_000) + "x") }, 0},
	{"elements of no name that is known", func() string { return htmlMail(repeat("<o:p>", 60_000) + "x") }, 0},
	{"elements never opened", func() string { return htmlMail(repeat("<b>", 30_000) + repeat("</i>x", 30_000)) }, 0},
	{"elements out of reach", func() string {
		return htmlMail("<i>" + repeat("<b>", 29_000) + repeat("</i>x", 30_000))
	}, 0},
	{"tables nested", func() string { return htmlMail(repeat("<table><tr><td>x", 20_000)) }, 0},
	{"cells", func() string { return htmlMail("<table>" + repeat("<tr><td>x<td rowspan=9 colspan=9>y", 19_000)) }, 0},
	{"lists nested", func() string { return htmlMail(repeat("<ul><li>x", 30_000)) }, 0},
	{"quotations nested", func() string { return htmlMail(repeat("<blockquote>x", 60_000)) }, 0},
	{"links nested", func() string { return htmlMail(repeat("<a href=http://x.example/y>x<p>", 30_000)) }, 0},
	{"links nested in tables", func() string {
		return htmlMail(repeat("<a href=http://x.example/y><table><tr><td>x", 15_000))
	}, 0},
	{"links without text", func() string { return htmlMail(repeat("<br><a href=http://x.example/y></a>", 20_000)) }, 0},
	{"line breaks", func() string { return htmlMail(repeat("<br>", 60_000) + "x") }, 0},
	{"everything hidden", func() string { return htmlMail("<div hidden>" + repeat("<p>x", 59_000)) }, 0},
	{"comments never closed", func() string { return htmlMail("x" + repeat("<!--", 60_000)) }, 0},
	{"attributes", func() string { return htmlMail("x<p " + repeat("a ", 500_000) + ">") }, 0},
	{"attributes, all different", func() string {
		var b strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&b, "a%d ", i)
		}
		return htmlMail("x<p " + b.String() + ">")
	}, 0},
	{"bodies", func() string { return htmlMail("x" + repeat("<!-- <body> -->", 30_000)) }, 0},
	{"images that are not there", func() string { return htmlMail(repeat("<img src=cid:x>", 60_000) + "x") }, 0},
	{"images that are not there, all different", func() string {
		var b strings.Builder
		for i := range 60_000 {
			fmt.Fprintf(&b, "<img src=cid:%d>", i)
		}
		return htmlMail(b.String() + "x")
	}, 0},
	{"meta elements", func() string { return htmlMail("x" + repeat("<meta charset=", 60_000)) }, 0},

	{"one long URL", func() string { return head + "\r\nhttp://x.example/" + repeat("a", 2<<20) }, 0},
	{"many URLs in one word", func() string { return head + "\r\n" + repeat("http://x.example/,", 400) }, 0},
	{"many at signs", func() string { return head + "\r\n" + repeat("a@", 500_000) }, 0},
	{"quotation marks", func() string { return head + "\r\n" + repeat(">", 2<<20) + "x" }, 0},
	{"flowed quotation", func() string {
		return head + "Content-Type: text/plain; format=flowed\r\n\r\n" + repeat(">>>> x \r\n", 200_000)
	}, 0},
	{"escapes never closed", func() string { return head + "\r\n" + repeat("\x1b[", 500_000) + "x" }, 0},
	{"charset detection", func() string { return head + "\r\n" + repeat("\xe4\xa0 \x81\r\n", 300_000) }, 0},
	{"charset detection in every word", func() string {
		return "Subject: " + repeat("=?q?q?a=80?= b ", 16000) + "\r\n\r\nx"
	}, 0},
}

func checkKind(t *testing.T, err error, want ErrorKind) {
	t.Helper()
	var refused *Error
	switch {
	case want == 0 && err != nil:
		t.Errorf("refused: %v", err)
	case want != 0 && (!errors.As(err, &refused) || refused.Kind != want):
		t.Errorf("got %v, want an error of the kind %q", err, kindNames[want])
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func htmlMail(body string) string { return head + "Content-Type: text/html\r\n\r\n" + body }

func multipart(kind, parts string) string {
	return head + "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n" + parts + "--b--\r\n"
}

// nested is a message of nested multiparts that never end.
func nested(depth int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	return b.String() + "\r\nx\r\n"
}

// forwards is a message in a message in a message.
func forwards(depth int) string {
	return repeat("Subject: x\r\nContent-Type: message/rfc822\r\n\r\n", depth) + "Subject: y\r\n\r\nx\r\n"
}
