package mimeconv

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"heyrelay/mimeconv/charset"
	"heyrelay/smtpd"
)

// reading is how a reader reads a message. A form that the message does not have is nil.
type reading struct {
	Subject, Text, HTML *string
	Addresses           map[string][]string // of the fields from, to and cc
}

// secondReader is the email package of Python, in one process for many messages.
type secondReader struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// newSecondReader starts Python. Without Python the test is skipped, except in CI.
func newSecondReader(t *testing.T) *secondReader {
	t.Helper()
	python, err := exec.LookPath("python3")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal("CI needs python3: ", err)
	case err != nil:
		t.Skip("no python3: nothing to compare with")
	}
	cmd := exec.Command(python, "testdata/second_reader.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error("python3: ", err)
		}
	})
	return &secondReader{in, bufio.NewReader(out)}
}

// read has Python read a message.
func (s *secondReader) read(t *testing.T, raw []byte) reading {
	t.Helper()
	if _, err := fmt.Fprintf(s.in, "%d\n%s", len(raw), raw); err != nil {
		t.Fatal(err)
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var r reading
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// attachmentNote matches the line that replaces an attachment in a body.
var attachmentNote = regexp.MustCompile(`(<p>)?\[Attachment not sent: [^\]]*\](<br>\n|</p>\n)?`)

// differ returns the differences between our reading of a message and that of Python. A form that
// the message does not have is not compared.
func differ(t *testing.T, raw []byte, theirs reading) []string {
	t.Helper()
	h, err := ReadHeader(raw)
	if err != nil {
		return []string{"refused"}
	}
	m, err := Convert(raw, Options{Attachments: Drop, InlineImages: Drop})
	if err != nil {
		return []string{"refused"}
	}
	var what []string
	if s := plain(theirs.Subject); s != "" && s != squash(h.Subject) {
		what = append(what, fmt.Sprintf("subject: %q, theirs %q", h.Subject, s))
	}
	for name, list := range map[string][]Address{"from": h.From, "to": h.To, "cc": h.Cc} {
		var ours []string
		for _, a := range list {
			ours = append(ours, a.Addr)
		}
		if !slices.Equal(ours, theirs.Addresses[name]) {
			what = append(what, fmt.Sprintf("%s: %q, theirs %q", name, ours, theirs.Addresses[name]))
		}
	}
	text, doc := attachmentNote.ReplaceAllString(m.Text, ""), attachmentNote.ReplaceAllString(m.HTML, "")
	if s := plain(theirs.Text); s != "" && s != squash(text) {
		what = append(what, fmt.Sprintf("text: %q, theirs %q", squash(text), s))
	}
	if s := plain(theirs.HTML); s != "" && s != squash(doc) {
		what = append(what, fmt.Sprintf("html: %q, theirs %q", squash(doc), s))
	}
	return what
}

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return squash(*s)
}

// squash makes all white space single spaces, which do not count as differences.
func squash(s string) string { return strings.Join(strings.Fields(s), " ") }

// TestSecondReader reads the golden cases with Python, too. testdata/second_reader.txt explains
// why ours is better where the two differ.
func TestSecondReader(t *testing.T) {
	python := newSecondReader(t)
	reasons := readReasons(t)
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		what := differ(t, raw, python.read(t, raw))
		_, explained := reasons[name]
		delete(reasons, name)
		switch {
		case len(what) > 0 && !explained:
			t.Errorf("%s: no reason is given for\n%s", name, strings.Join(what, "\n"))
		case len(what) == 0 && explained:
			t.Errorf("%s: a reason is given, and both read the same", name)
		}
	}
	for name := range reasons {
		t.Errorf("a reason is given for %s, which is no case", name)
	}
}

// readReasons parses lines "case case: why ours is better".
func readReasons(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/second_reader.txt")
	if err != nil {
		t.Fatal(err)
	}
	reasons := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		names, why, ok := strings.Cut(line, ": ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case !ok || why == "":
			t.Errorf("not \"case case: why\": %s", line)
		default:
			for name := range strings.FieldsSeq(names) {
				reasons[name] = why
			}
		}
	}
	return reasons
}

// letter is a message to generate: a structure, a charset and an encoding, with text that the
// charset contains and that quotes the delimiters of the message.
type letter struct {
	*rand.Rand
	charset, sample string
	multiparts      int
	mark            int // in all its boundaries
}

// labelMark stands for the label of the charset in a letter, since Python knows fewer labels.
const labelMark = "X-LABEL"

// samples are words in the charsets of mail by their names in Python, and other labels of them.
var samples = []struct{ charset, text, labels string }{
	{"us-ascii", "plain words, and = signs?", "ascii ANSI_X3.4-1968 646"},
	{"utf-8", "Grüße € 日本語 👍", "UTF8 utf_8 cp65001 utf8mb4 unicode-1-1-utf-8"},
	{"iso-8859-1", "Grüße aus Köln", "latin1 ISO8859_1 8859-1 l1 IBM819"},
	{"iso-8859-15", "100 € für Œuvre", "latin9 latin-0 ISO8859_15 8859_15 l9 IBM923"},
	{"windows-1252", "„Grüße“ – 100 €", "cp1252 win-1252 x-cp1252 ms-ansi WINDOWS_1252"},
	{"iso-8859-2", "Zażółć gęślą jaźń", "latin2 ISO8859_2 ISO_8859-2:1987 ibm912"},
	{"windows-1251", "Привет, как дела", "cp1251 win1251 ms-cyrl x-cp1251"},
	{"koi8-r", "Добрый день", "koi8r KOI8_R cskoi8r cp20866"},
	{"iso-8859-7", "Καλημέρα σας", "greek ISO8859_7 ELOT_928 ecma-118"},
	{"windows-1250", "Příliš žluťoučký", "cp1250 win1250 x-windows-1250 ms-ee"},
	{"shift_jis", "こんにちは世界", "sjis SJIS-win MS_Kanji cp932 x-IBM943C Windows-31J"},
	{"euc-jp", "お世話になります", "eucjp eucJP-win EUC_JP eucjp-ms ujis x-IBM33722"},
	{"iso-2022-jp", "会議のお知らせ", "iso2022jp ISO-2022-JP-MS x-windows-iso2022jp csISO2022JP cp50220"},
	{"gb18030", "你好，世界", "GB18030-2022 cp54936"},
	{"gbk", "订单已发货", "cp936 ms936 x-mswin-936 euc-cn gb2312 EUC_CN"},
	{"big5", "您好世界", "chinesebig5 big-five BIG5-ETEN x-windows-950 cp950"},
	{"euc-kr", "안녕하세요", "euckr EUC_KR x-windows-949 ks_c_5601-1987 uhc cp949"},
	{"cp850", "Grüße aus Köln", "IBM850 dos-850 csPC850Multilingual"},
	{"cp858", "100 € für Köln", "IBM00858 CCSID00858"},
	{"cp852", "Zażółć gęślą jaźń", "IBM852 dos852"},
	{"cp866", "Привет, как дела", "IBM866 csIBM866"},
	{"cp737", "Καλημέρα σας", "x-IBM737 dos-737"},
	{"cp775", "Ačiū, gerai", "csPC775Baltic IBM775"},
	{"cp857", "İyi günler", "IBM857 csIBM857"},
	{"cp1125", "Добрий день", "RUSCII"},
	{"cp874", "สวัสดี", "ms874 x-windows-874 TIS620 tis-620"},
	{"mac_latin2", "Zażółć gęślą jaźń", "x-mac-ce MacCentralEurope mac-centraleurope"},
	{"mac_greek", "Καλημέρα σας", "x-mac-greek"},
	{"mac_turkish", "İyi günler", "x-mac-turkish"},
	{"mac_roman", "Grüße – 100 €", "macintosh x-mac-roman MacRoman"},
	{"kz1048", "Қайырлы таң", "RK1048 STRK1048-2002"},
	{"koi8-u", "Добрий день", "koi8u cp21866"},
}

var generated = flag.Uint64("generated", 1000, "number of messages for TestSecondReaderGenerated")

// TestSecondReaderGenerated compares thousands of messages. Some of ours start with a byte order
// mark, which Python does not expect, or end their lines with CRs alone.
func TestSecondReaderGenerated(t *testing.T) {
	python := newSecondReader(t)
	for seed := range *generated {
		r := rand.New(rand.NewPCG(seed, 3))
		s := samples[r.IntN(len(samples))]
		l := letter{Rand: r, charset: s.charset, sample: s.text, mark: r.IntN(1000)}
		labels := append(strings.Fields(s.labels), s.charset)
		letter := l.message(t)
		raw := bytes.ReplaceAll(letter, []byte(labelMark), []byte(s.charset))
		label := labels[r.IntN(len(labels))]
		letter = bytes.ReplaceAll(letter, []byte(labelMark), []byte(label))
		ours := letter
		switch r.IntN(8) {
		case 0:
			ours = slices.Concat([]byte("\ufeff"), letter)
		case 1:
			ours = smtpd.RepairLineEndings(bytes.ReplaceAll(letter, []byte("\r\n"), []byte("\r")))
		}
		if what := differ(t, ours, python.read(t, raw)); what != nil {
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(what, "\n"), ours)
		}
	}
}

// message is a whole message.
func (l *letter) message(t *testing.T) []byte {
	word := func(text string) string {
		return "=?" + labelMark + "?b?" + base64.StdEncoding.EncodeToString(l.encode(t, text)) + "?="
	}
	head := "Subject: Re: " + word(l.sample) + fmt.Sprintf(" [%d]\r\n", l.IntN(1000)) +
		"From: " + word(l.sample) + []string{
		" <shop@example.com>",
		" <shop(at work)@example.com(head \\) office)>",
		" <shop @ (our (own)) example . com>",
	}[l.IntN(3)] + "\r\n" +
		"To: " + word(l.sample) + " <a@example.net>,\r\n \"Doe, John\" <john.doe@example.org>, " + []string{
		"b@example.net (B)",
		"(B) b(c)@(d, e)example.net",
		"b @\r\n example.net",
	}[l.IntN(3)] + "\r\n" +
		[]string{
			"",
			"Cc: team: c@example.org, D <d@example.org>;\r\n",
			"CC: <c@example.org>\r\n",
			"Cc: undisclosed-recipients:;\r\n",
		}[l.IntN(4)] +
		"MIME-Version: 1.0\r\n"
	return []byte(head + l.structure(t))
}

// structure is the body with its MIME fields.
func (l *letter) structure(t *testing.T) string {
	text := l.sample + "\r\n\r\n" + l.quotes() + strings.Repeat(l.sample+" ", 1+l.IntN(20)) + "\r\n"
	doc := "<html><body><p>" + l.sample + "</p>\r\n<p>" +
		strings.Repeat("<b>"+l.sample+"</b> ", 1+l.IntN(5)) +
		"</p>\r\n" + l.quotes() + "</body></html>\r\n"
	plain, html := l.leaf(t, "text/plain", text), l.leaf(t, "text/html", doc)
	image := "Content-Type: image/gif\r\nContent-ID: <x@y>\r\n"
	switch l.IntN(7) {
	case 0:
		return plain
	case 1:
		return html
	case 2:
		return l.multi("alternative", plain, html)
	case 3:
		image += "Content-Disposition: inline\r\n\r\nGIF89a"
		return l.multi("alternative", plain, l.multi("related", html, image))
	case 4:
		signature := "Content-Type: application/pgp-signature\r\n\r\nx"
		return l.multi("signed; protocol=\"application/pgp-signature\"", plain, signature)
	case 5:
		return l.multi("related", l.multi("alternative", plain, html), image+"\r\nGIF89a")
	}
	return l.multi("mixed", l.multi("alternative", plain, html))
}

// quotes are lines that quote delimiters of the message.
func (l *letter) quotes() string {
	quoted := fmt.Sprintf("--=_%d.%d", 1+l.IntN(3), l.mark)
	return []string{
		"",
		"> " + quoted + "\r\n",
		"log: " + quoted + "-- ended\r\n",
		quoted + "--More\r\n",
		quoted + "1\r\n",
	}[l.IntN(5)]
}

func (l *letter) multi(kind string, parts ...string) string {
	l.multiparts++
	boundary := fmt.Sprintf("=_%d.%d", l.multiparts, l.mark)
	kind, params, _ := strings.Cut(kind, ";")
	if params != "" {
		params = ";" + params
	}
	space := []string{"", "", " ", "\t "}[l.IntN(4)]
	delimiter := "\r\n--" + boundary + space + "\r\n"
	return "Content-Type: multipart/" + kind + params + ";\r\n boundary=\"" + boundary + "\"\r\n" +
		delimiter + strings.Join(parts, delimiter) + "\r\n--" + boundary + "--" + space + "\r\n"
}

func (l *letter) leaf(t *testing.T, kind, text string) string {
	data := string(l.encode(t, text))
	head := "Content-Type: " + kind + "; charset=" + labelMark + "\r\nContent-Transfer-Encoding: "
	switch l.IntN(3) {
	case 0:
		return head + "base64\r\n\r\n" + base64.StdEncoding.EncodeToString([]byte(data))
	case 1:
		return head + "quoted-printable\r\n\r\n" + quotedPrintable(data)
	}
	return head + "8bit\r\n\r\n" + data
}

// encode writes text in the letter's charset.
func (l *letter) encode(t *testing.T, text string) []byte {
	t.Helper()
	if l.charset == "us-ascii" {
		return []byte(text)
	}
	enc, _ := charset.Lookup(charset.Name(l.charset))
	if enc == nil {
		t.Fatalf("%s is unknown", l.charset)
	}
	if data, ok := encodeSingle(l.charset, text); ok {
		return data
	}
	data, err := enc.NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", l.charset, err)
	}
	return data
}

// octetsOf are the octets of the characters of charsets, for those that are single-byte.
var octetsOf = make(map[string]map[rune]byte)

// encodeSingle encodes text in a charset. ok is false if a character of it takes more than one
// octet.
func encodeSingle(name, text string) (data []byte, ok bool) {
	octets := octetsOf[name]
	if octets == nil {
		octets = make(map[rune]byte)
		octetsOf[name] = octets
		enc, _ := charset.Lookup(charset.Name(name))
		for c := 255; c >= 0; c-- {
			s, err := enc.NewDecoder().String(string([]byte{byte(c)}))
			if r, n := utf8.DecodeRuneInString(s); err == nil && n == len(s) && r != utf8.RuneError {
				octets[r] = byte(c)
			}
		}
	}
	for _, r := range text {
		c, ok := octets[r]
		if !ok {
			return nil, false
		}
		data = append(data, c)
	}
	return data, true
}
