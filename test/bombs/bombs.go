package bombs

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strings"
)

// Bomb is a message that is made to cost more than its size.
type Bomb struct {
	Name string
	Make func() string // header, empty line and body; lines end in CRLF
}

const (
	kilo = 1 << 10
	mega = 1 << 20
)

const head = "From: a@example.com\r\nTo: bomb@example.com\r\nSubject: Bomb\r\nMIME-Version: 1.0\r\n"

// All returns forty bombs, of at most 9 MB each.
func All() []Bomb {
	var all []Bomb
	all = append(all, texts()...)
	all = append(all, fields()...)
	all = append(all, structures()...)
	all = append(all, markup()...)
	return append(all, files()...)
}

// texts are plain text.
func texts() []Bomb {
	return []Bomb{
		{"tabs on one line", func() string { return head + "\r\nx" + repeat("\t", 8*mega) + "x\r\n" }},
		{"tabs at the start of lines", func() string { return head + "\r\n" + repeat("\t\t\tx\r\n", 8*mega) }},
		{"ampersands", func() string { return head + "\r\n" + repeat("&", 8*mega) + "\r\n" }},
		{"addresses of the web", func() string { return head + "\r\n" + repeat("http://a.example ", 8*mega) + "\r\n" }},
		{"quotations of quotations", func() string { return head + "\r\n" + repeat(">>>>>>>>>> a\r\nb\r\n", 8*mega) }},
		{"flowed lines", func() string {
			return head + "Content-Type: text/plain; format=flowed\r\n\r\n" + repeat(">>>> x \r\n", 8*mega)
		}},
		{"octets of no charset", func() string { return head + "\r\n" + repeat("\xe4\xa0 \x81\r\n", 8*mega) }},
		{"bare line feeds", func() string { return head + "\r\n" + repeat("\r", 8*mega) + "x\r\n" }},
		{"dots at the start of lines", func() string { return head + "\r\n" + repeat("...\r\n", 8*mega) }},
		{"uuencoded files", func() string { return head + "\r\n" + repeat("begin 644 a\r\n#86%A\r\n`\r\nend\r\n", 4*mega) }},
	}
}

// fields are headers.
func fields() []Bomb {
	return []Bomb{
		{"Re: again and again", func() string { return "Subject: " + repeat("Re: ", 250*kilo) + "\r\n\r\nx\r\n" }},
		{"encoded words in no charset", func() string {
			return "Subject: " + repeat("=?none?q?=e4=80=a0?= ", 250*kilo) + "\r\n\r\nx\r\n"
		}},
		{"encoded words that never end", func() string { return "Subject: " + repeat("=?x", 250*kilo) + "?=\r\n\r\nx\r\n" }},
		{"comments in addresses", func() string { return "To: " + repeat("((", 250*kilo) + "\r\n\r\nx\r\n" }},
		{"groups in addresses", func() string { return "To: " + repeat("a:", 250*kilo) + "\r\n\r\nx\r\n" }},
		{"names in no charset", func() string {
			return "Content-Type: a\r\nTo: " + repeat("\xe4 <a@b>,", 250*kilo) + "\r\n\r\nx\r\n"
		}},
		{"ids in References", func() string {
			return head + "References: " + repeat("<a@b> ", 250*kilo) + "\r\n\r\nx\r\n"
		}},
		{"fields without end", func() string { return head + repeat("X: y\r\n", 8*mega) + "\r\nx\r\n" }},
		{"one field folded", func() string { return head + "X: y\r\n" + repeat(" z\r\n", 8*mega) + "\r\nx\r\n" }},
		{"parameters of Content-Type", func() string {
			return head + "Content-Type: text/plain; " + repeat(`a="; `, 200*kilo) + "\r\n\r\nx\r\n"
		}},
	}
}

// structures are multiparts and messages in messages.
func structures() []Bomb {
	return []Bomb{
		{"a million parts", func() string { return multipart("mixed", repeat("--b\r\n\r\n", 7*mega)) }},
		{"1,000 alternatives", func() string {
			return multipart("alternative", repeat("--b\r\nContent-Type: text/html\r\n\r\n<p>x\r\n", 36*kilo))
		}},
		{"multiparts nested", func() string { return nested(20_000) }},
		{"messages nested", func() string {
			return repeat("Subject: x\r\nContent-Type: message/rfc822\r\n\r\n", 4*mega) + "Subject: y\r\n\r\nx\r\n"
		}},
		{"lines that almost delimit", func() string { return multipart("mixed", "--b\r\n\r\n"+repeat("--b1\r\n", 8*mega)) }},
		{"headers of parts", func() string { return multipart("mixed", repeat("--b\r\nX-Y: z\r\nstray\r\n", 8*mega)) }},
		{"a forwarded message of tabs", func() string {
			return head + "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nx" + repeat("\t", 8*mega) + "\r\n"
		}},
	}
}

// markup is HTML.
func markup() []Bomb {
	return []Bomb{
		{"cells of a table", func() string { return page("<table>" + repeat("<tr><td rowspan=9>x<td>y", 900*kilo)) }},
		{"tables nested", func() string { return page(repeat("<table><tr><td>x", 900*kilo)) }},
		{"attributes of one element", func() string { return page("<p " + numbered("a%d=1 ", 80_000) + ">x") }},
		{"entities", func() string { return page(repeat("&nGg;", 900*kilo)) }},
		{"entities of 8 MB", func() string { return page(repeat("&#1;&amp;", 8*mega)) }},
		{"comments that never end", func() string { return page("x" + repeat("<!--", 900*kilo)) }},
		{"images that are not there", func() string { return page(numbered("<img src=cid:%d>", 50_000) + "x") }},
		{"elements never opened", func() string { return page(repeat("<b>", 90*kilo) + repeat("</i>x", 150*kilo)) }},
	}
}

// files are encoded content and the formats of other programs.
func files() []Bomb {
	return []Bomb{
		{"base64 that is none", func() string {
			return head + "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
				repeat("!A\r\n", 8*mega)
		}},
		{"quoted-printable of equals signs", func() string {
			return head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + repeat("=", 8*mega) + "\r\n"
		}},
		{"winmail.dat of attributes", func() string { return winmail(repeat(attribute, 2*mega)) }},
		{"winmail.dat of compressed rich text", func() string { return winmail(richText()) }},
		{"a calendar of events", func() string {
			return head + "Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\n" +
				repeat("BEGIN:VEVENT\r\nDTSTART:20260101T000000Z\r\nSUMMARY:x\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\n", 900*kilo) +
				"END:VCALENDAR\r\n"
		}},
	}
}

// repeat returns s again and again, size octets in all.
func repeat(s string, size int) string { return strings.Repeat(s, size/len(s)) }

// numbered returns n texts of a format, each with its own number.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func page(body string) string { return head + "Content-Type: text/html\r\n\r\n" + body + "\r\n" }

func multipart(kind, parts string) string {
	return head + "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n" + parts + "--b--\r\n"
}

// nested is a multipart in a multipart in a multipart.
func nested(depth int) string {
	return head + numbered("Content-Type: multipart/mixed; boundary=b%[1]d\r\n\r\n--b%[1]d\r\n", depth) + "\r\nx\r\n"
}

// attribute is one of TNEF: a date of a message ([MS-OXTNEF], section 2.1.3.1).
const attribute = "\x01\x05\x80\x03\x00\x0e\x00\x00\x00\xea\x07\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf3\x00"

// winmail is a message with a winmail.dat of these attributes.
func winmail(attributes string) string {
	const signature = "\x78\x9f\x3e\x22\x01\x00"
	file := base64.StdEncoding.EncodeToString([]byte(signature + attributes))
	var lines strings.Builder
	for len(file) > 76 {
		lines.WriteString(file[:76] + "\r\n")
		file = file[76:]
	}
	return head + "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		lines.String() + file + "\r\n"
}

// richText is the attribute that holds the properties of a message. Its only one, the rich
// text, is compressed: each reference of two octets stands for 17 ([MS-OXRTFCP], section 2.2.1.5).
func richText() string {
	group := "\xff" + strings.Repeat("\x00\x0f", 8) // eight references to the start of the dictionary
	body := repeat(group, mega)
	stored := make([]byte, 16)
	binary.LittleEndian.PutUint32(stored, uint32(len(body)+12))
	binary.LittleEndian.PutUint32(stored[4:], uint32(len(body)*8))
	copy(stored[8:], "LZFu")
	value := string(stored) + body
	properties := "\x01\x00\x00\x00\x02\x01\x09\x10\x01\x00\x00\x00" +
		string(binary.LittleEndian.AppendUint32(nil, uint32(len(value)))) + value
	sum := 0
	for _, c := range []byte(properties) {
		sum += int(c)
	}
	size := string(binary.LittleEndian.AppendUint32(nil, uint32(len(properties))))
	check := string(binary.LittleEndian.AppendUint16(nil, uint16(sum)))
	return "\x01\x03\x90\x06\x00" + size + properties + check
}

// Submit sends a message to bomb@example.com over a connection, which it closes. It returns
// the refusal of the server, or nil for 250.
func Submit(conn net.Conn, sender, message string) error {
	defer conn.Close()
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	if err := c.Mail(sender); err != nil {
		return err
	}
	if err := c.Rcpt("bomb@example.com"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, message); err != nil {
		return err
	}
	return w.Close()
}
