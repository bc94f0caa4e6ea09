package mimeconv

import (
	"fmt"
	"strings"
	"testing"

	"heyrelay/mimeconv/internal/fuzztest"
)

// units are repeated to make fields and texts that cost more than their size where something
// is searched for, copied or begun again for each.
var units = []string{
	"a", " ", "\t", "\xe4", "\xff", "\x00", "ä", "\u0301", "\ufeff", "İ", "\x1b$B", "+-", "~{",
	"(", ")", "((a)", "<", ">", "<>", "<a@b>", "a@b,", "a@b ", "a@b (", "@", "@:", ":", "a:", "::;", ";", ",",
	"a,", `"`, `\`, `\"`,
	`">,`, `"a" `, "[", "]", "[<", "[a]", ".", "a.", "=", "=?", "=?a", "=?a?", "=?a?q", "=?a?q?", "=?a?z?",
	"=?a?z?=?=", "?=",
	"=?x?q?a?=", "=?x?q?a?= ", "=?q?q?=80=81=82=83=84?= b ", "=?utf-8?b?/////////w==?= ",
	"\x80\x81\x82\x83\x84 <a@b>,",
	"=?utf-8*en?q?=e4?=", "a=b;", `a="b";`, "a*=x'y'%80%81%82%83%84;", "a*0=b;", `a="\`, "Re: ",
	"from a by b for <c@d>; ",
	"&", "&amp", "&#1;", "a&b;", "<p>", "</p>", "<b", "<!--", "-->", "<![CDATA[", "<a href=x>", "<a href=\"",
	"<table><tr><td>x",
	"<td>", "</i>", "<style>", "</style>", "<textarea>", "<title>", "<script>", "<select><option>", "<!DOCTYPE",
	"<?", "<img src=cid:x>",
	"<img src=\"data:,", "style='", "url(", "http://a.b/", "http://", "www.", "mailto:", "a@b.c", "a@b.c:",
	"(http://a.b/", "> ", ">", ">a\n", "a \n", "-- \n",
	"\r", "\n", "\r\n", "\n ", "\r\nX: y", "--b\r\n", "--b--\r\n", " --b\r\n", "begin 644 a\n", "end\n", "=\n",
	"=3D", "%", "{\\b", "}", "\\u1 ",
	"BEGIN:VEVENT\n", "DTSTART:2024\n", "\\n", "SUMMARY:a\n", "-----BEGIN PGP MESSAGE-----\n", "\x0e\x0f", "\xd8\x00",
}

func convertAny(raw []byte) {
	_, _ = ReadHeader(raw)
	_, _ = Convert(raw, Options{Attachments: Drop, InlineImages: Drop})
}

// A digest of headers in unknown charsets has its charsets guessed up to a bound.
func TestGuesses(t *testing.T) {
	word := "=?nope?q?=80=81=82=83=84?= b "
	inner := "Subject: " + strings.Repeat(word, 100) + "\r\nTo: " + strings.Repeat(word, 100) + "\r\n\r\nText.\r\n"
	raw := "Content-Type: multipart/digest; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n"+inner, 500) + "--b--\r\n"
	c := &converter{maxBody: maxBody}
	b, body, err := readBlock([]byte(raw), &c.fence.guesses)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.read(&b, body, ""); err != nil {
		t.Fatal(err)
	}
	if most := guesses(maxGuessed + guessCost + guessSample); c.fence.guesses > most {
		t.Errorf("%d octets guessed, more than %d", c.fence.guesses, most)
	}
}

// What is decoded or kept of a field is bounded.
func TestFieldsAreBounded(t *testing.T) {
	long := strings.Repeat("word ", 40_000)
	h, err := ReadHeader([]byte("Subject: " + long + "\r\n\r\n"))
	if err != nil || len(h.Subject) > maxField+len("…") || !strings.HasSuffix(h.Subject, "word…") {
		t.Errorf("a Subject of %d octets (%v)", len(h.Subject), err)
	}
	many := strings.Repeat("a@b,", 30_000)
	h, err = ReadHeader([]byte("To: " + many + "\r\nTo: c@d\r\nDate: " + long[:300] + "\r\n\r\n"))
	if err != nil || len(h.To) != maxAddresses || !h.Date.IsZero() {
		t.Errorf("%d addresses (%v)", len(h.To), err)
	}
	h, err = ReadHeader([]byte("References: " + strings.Repeat("<a@b>", 20_000) + "<last@c>\r\n\r\n"))
	if err != nil || len(h.References) != maxIDs || h.References[maxIDs-1] != "last@c" {
		t.Errorf("%d ids (%v)", len(h.References), err)
	}
}

// What looks for the end of a header does not look beyond its part: each octet is read for one
// part, however many parts there are.
func TestManyHeadersCostNoMore(t *testing.T) {
	rest := strings.Repeat("more text\r\n", 8<<10)
	for _, header := range []string{
		"X-Y: z\r\nstray\r\n", "stray\r\n", "X-Y: z\r\n \r\nstray\r\n", "Bcc\r\nstray\r\n",
	} {
		t.Run(fmt.Sprintf("%q", header), func(t *testing.T) {
			part := "--b\r\n" + header
			many := multipart("mixed", strings.Repeat(part, 100)+rest)
			one := multipart("mixed", part+strings.Repeat("--b\r\n\r\nx\r\n", 99)+rest)
			fuzztest.NoDearer(t, []byte(many), []byte(one), convertAny)
		})
	}
}
