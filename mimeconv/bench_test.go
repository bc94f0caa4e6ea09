package mimeconv

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"strings"
	"testing"
	"time"

	"github.com/jhillyerd/enmime/v2"
)

const benchHead = "Received: from a.example by b.example with ESMTP; Tue, 3 Nov 2026 10:00:00 +0000\r\n" +
	"From: Shop <shop@example.com>\r\nTo: Alice <alice@example.net>, bob@example.net\r\n" +
	"Subject: =?utf-8?q?Ihre_Bestellung_f=C3=BCr_heute?=\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n" +
	"Message-ID: <4711.0815@shop.example.com>\r\nIn-Reply-To: <4711.0814@shop.example.com>\r\n" +
	"References: <4711.0813@shop.example.com> <4711.0814@shop.example.com>\r\nMIME-Version: 1.0\r\n"

// quotedHead ends the header of a quoted-printable part.
const quotedHead = "Content-Transfer-Encoding: quoted-printable\r\n\r\n"

// plain4K is 4 KB of plain text with some links.
func plain4K() []byte {
	line := "Your order 4711 is on its way; see https://shop.example.com/orders/4711 for more.\r\n" +
		"It was packed today, and it will arrive within the next few days, we hope.\r\n\r\n"
	return []byte(benchHead + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(line, 25))
}

// alternative30K is a notification: 6 KB of text, 24 KB of HTML.
func alternative30K() []byte {
	text := strings.Repeat("Ein Absatz mit Umlauten (äöü), wie ihn jede Nachricht hat.\r\n", 90)
	row := `<tr><td style="padding:4px 8px;font-family:Arial,sans-serif">Grüße</td><td align="right">` +
		`<a href="https://shop.example.com/item?id=1&amp;x=2">Ansehen</a></td></tr>` + "\r\n"
	doc := "<html><body><table>" + strings.Repeat(row, 130) + "</table></body></html>\r\n"
	return []byte(benchHead + "Content-Type: multipart/alternative; boundary=\"=_b\"\r\n\r\n" +
		"--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n" + quotedHead + quotedPrintable(text) +
		"\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\n" + quotedHead + quotedPrintable(doc) +
		"\r\n--=_b--\r\n")
}

// attachment1M is mail of a scanner: a line of text and a PDF of 1 MB.
func attachment1M() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the scan.\r\n--b\r\n", benchHead)
	b.WriteString("Content-Type: application/pdf; name=scan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	data := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("%PDF-1.4 and so on. "), 1<<20/20))
	for len(data) > 76 {
		b.WriteString(data[:76] + "\r\n")
		data = data[76:]
	}
	b.WriteString(data + "\r\n--b--\r\n")
	return b.Bytes()
}

func quotedPrintable(s string) string {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

func BenchmarkReadHeader(b *testing.B) {
	raw := attachment1M()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadHeader(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConvert(b *testing.B) {
	for _, bench := range []struct {
		name string
		raw  []byte
	}{
		{"plain4K", plain4K()},
		{"alternative30K", alternative30K()},
		{"html24K", htmlOnly()},
		{"attachment1M", attachment1M()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.raw)))
			for b.Loop() {
				if _, err := Convert(bench.raw, Options{Attachments: Drop}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// htmlOnly is the HTML of alternative30K alone, so that its text has to be made.
func htmlOnly() []byte {
	raw := alternative30K()
	_, doc, _ := bytes.Cut(raw, []byte("\r\n\r\n<html>"))
	return []byte(benchHead + "Content-Type: text/html; charset=utf-8\r\n" + quotedHead + "<html>" + string(doc))
}

// BenchmarkCost reads the same messages with enmime and with Convert in turns, so that the ratio
// does not depend on the machine and its load. Convert runs more often, since one run is too
// short to measure.
func BenchmarkCost(b *testing.B) {
	const rounds = 10
	for _, bench := range []struct {
		name string
		raw  []byte
	}{{"plain4K", plain4K()}, {"alternative30K", alternative30K()}, {"attachment1M", attachment1M()}} {
		b.Run(bench.name, func(b *testing.B) {
			var theirs, ours time.Duration
			for b.Loop() {
				began := time.Now()
				if _, err := enmime.ReadEnvelope(bytes.NewReader(bench.raw)); err != nil {
					b.Fatal(err)
				}
				theirs += time.Since(began)
				began = time.Now()
				for range rounds {
					if _, err := Convert(bench.raw, Options{Attachments: Drop}); err != nil {
						b.Fatal(err)
					}
				}
				ours += time.Since(began) / rounds
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(theirs.Nanoseconds())/float64(b.N), "enmime-ns/op")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns/op")
			b.ReportMetric(100*float64(ours)/float64(theirs), "%-of-enmime")
		})
	}
}

// BenchmarkBombs measures each bomb, also in CPU time, which other programs hardly affect.
func BenchmarkBombs(b *testing.B) {
	for _, bomb := range bombs {
		b.Run(bomb.name, func(b *testing.B) {
			raw := []byte(bomb.make())
			b.ReportAllocs()
			began := processorTime(b)
			for b.Loop() {
				_, _ = Convert(raw, Options{Attachments: Drop})
			}
			b.ReportMetric(float64((processorTime(b)-began).Microseconds())/1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(len(raw)), "input-B")
		})
	}
}
