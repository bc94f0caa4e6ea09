//go:build !race

package mimeconv

// What measures time and memory, which the race detector multiplies. make test runs it without.

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"heyrelay/mimeconv/internal/fuzztest"
)

// bombTime bounds the time of each bomb. Each takes well under a second on a small machine, and up to
// years without its limit. The rest allows for busy machines.
const bombTime = 20 * time.Second

// bombMemory bounds what the conversion of a bomb may allocate in all, in octets, without its
// input. It does not depend on the machine.
const bombMemory = 64 << 20

func TestBombs(t *testing.T) {
	for _, b := range bombs {
		t.Run(b.name, func(t *testing.T) {
			raw := []byte(b.make())
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := Convert(raw, Options{Attachments: Drop})
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			t.Logf("%d octets took %v", len(raw), took)
			if took > bombTime {
				t.Errorf("took %v", took)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > bombMemory {
				t.Errorf("%d octets allocated %d KiB", len(raw), n>>10)
			}
			checkKind(t, err, b.kind)
			began = time.Now()
			_, err = ReadHeader(raw)
			took = time.Since(began)
			t.Logf("ReadHeader took %v", took)
			if took > bombTime {
				t.Errorf("ReadHeader took %v", took)
			}
			if err != nil && b.kind == 0 {
				t.Errorf("ReadHeader: %v", err)
			}
		})
	}
}

// TestMaxBody has conversion stop at the bound of its caller: what it makes of a bomb is
// bounded by what can be sent.
func TestMaxBody(t *testing.T) {
	const limit, most = 1 << 20, 32 << 20
	for _, b := range bombs {
		raw := []byte(b.make())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := Convert(raw, Options{Attachments: Drop, MaxBody: limit})
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; b.kind == ErrTooLarge && n > most {
			t.Errorf("%s: allocated %d KiB", b.name, n>>10)
		}
		if b.kind == ErrTooLarge && err == nil || len(m.HTML) > limit || len(m.Text) > limit {
			t.Errorf("%s: %d octets of HTML, %d of text, %v", b.name, len(m.HTML), len(m.Text), err)
		}
	}
	_, err := Convert([]byte("Subject: x\r\n\r\n"+repeat("x", 1500)), Options{MaxBody: 1000})
	checkKind(t, err, ErrTooLarge)
	if err == nil || !strings.Contains(err.Error(), "larger than 1 KB") {
		t.Errorf("%v does not name the bound", err)
	}
	if _, err := Convert([]byte("Subject: x\r\n\r\n"+repeat("x", 900)), Options{MaxBody: 1000}); err != nil {
		t.Error(err)
	}
}

// Every header field, made of any unit.
func TestFieldsAreLinear(t *testing.T) {
	names := []string{
		"From", "To", "Resent-Cc", "Subject", "Date", "Message-ID", "References", "Received", "Auto-Submitted",
		"Content-Type",
		"Content-Disposition", "Content-Transfer-Encoding", "Content-ID", "X-Heymarket-Title", "Bcc",
	}
	for _, unit := range units {
		for _, start := range []string{"", "a@"} {
			t.Run(fmt.Sprintf("%q, %q", start, unit), func(t *testing.T) {
				input := func(n int) []byte {
					value := start + strings.Repeat(unit, n/len(names)/len(unit)) + "\r\n"
					return []byte(strings.Join(names, ": "+value) + ": " + value + "\r\nText.\r\n")
				}
				fuzztest.Linear(t, 8<<10, input, convertAny)
			})
		}
	}
}

// The same field again and again.
func TestRepeatedFieldsAreLinear(t *testing.T) {
	for _, field := range []string{
		"To: =?q?q?=80=81=82=83=84?= <a@b>", "Cc: \x80\x81\x82\x83\x84 <a@b>", "Resent-To: a@b",
		"Subject: =?q?q?=80=81=82=83=84?=", "Subject:",
		"References: <a@b>", "Message-ID: =?q?q?=80=81=82=83=84?=",
		"X-Heymarket-Title: =?q?q?=80=81=82=83=84?=", "X-Heymarket-A: b", "Received: from a",
		"Bcc: a@b", "B\x00cc: a@b", "no field", " folded", "From: =?q?q?=80=81=82=83=84?=", "Content-Type: a",
		"b", "b\r", "bc", " ",
	} {
		t.Run(fmt.Sprintf("%q", field), func(t *testing.T) {
			input := func(n int) []byte {
				return []byte("X: y\r\n" + strings.Repeat(field+"\r\n", n/(len(field)+2)) + "\r\nText.\r\n")
			}
			fuzztest.Linear(t, 12<<10, input, convertAny)
		})
	}
}

// Every kind of text, made of any unit.
func TestTextsAreLinear(t *testing.T) {
	for _, head := range []string{
		"text/plain", "text/plain; format=flowed; delsp=yes", "text/plain; charset=utf-7",
		"text/plain; charset=iso-2022-jp",
		"text/plain; charset=nope", "text/plain\r\nContent-Transfer-Encoding: base64", "text/html", "text/calendar",
		"text/html\r\nContent-Transfer-Encoding: quoted-printable", "multipart/mixed; boundary=b",
		"multipart/digest; boundary=b",
		"message/rfc822", "message/delivery-status", "application/ms-tnef", "application/pkcs7-mime",
	} {
		for _, unit := range units {
			t.Run(fmt.Sprintf("%s, %q", head, unit), func(t *testing.T) {
				input := func(n int) []byte {
					return []byte("Content-Type: " + head + "\r\n\r\n" + strings.Repeat(unit, n/len(unit)))
				}
				fuzztest.Linear(t, 8<<10, input, convertAny)
			})
		}
	}
}

// What costs more than its size in one shape only: how it begins, what is repeated, how it ends.
func TestShapesAreLinear(t *testing.T) {
	for name, shape := range map[string]struct {
		n                int // octets
		begin, unit, end string
	}{
		"escaped quotes":             {12 << 10, `To: "`, `\"`, ">,\"\r\n\r\nx"},
		"escaped quotes in brackets": {12 << 10, `To: <"`, `\"`, ">,\"\r\n\r\nx"},
		"enriched text":              {50 << 10, "Content-Type: text/enriched\r\n\r\n", "<a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			input := func(n int) []byte {
				return []byte(shape.begin + strings.Repeat(shape.unit, n/len(shape.unit)) + shape.end)
			}
			fuzztest.Linear(t, shape.n, input, convertAny)
		})
	}
}

// Calendars, each beside the same HTML, or each nearly the same as all others.
func TestCalendarsAreLinear(t *testing.T) {
	const part = "--b\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\nSUMMARY:%d\r\nDTSTART:20240101\r\n" +
		"%sEND:VEVENT\r\n"
	parts := func(n int, more string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, part, i, more)
		}
		return b.String()
	}
	t.Run("compared", func(t *testing.T) {
		input := func(n int) []byte {
			html := "--b\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("<b>x</b> 1 2 ", n/13) + "\r\n"
			return []byte(multipart("alternative", html+parts(n/300, "")))
		}
		fuzztest.Linear(t, 15<<10, input, convertAny)
	})
	t.Run("linked", func(t *testing.T) {
		more := "X-Y: " + strings.Repeat("y", 3000) + "\r\n"
		input := func(n int) []byte { return []byte(multipart("mixed", "--b\r\n\r\nx\r\n"+parts(n/3000, more))) }
		fuzztest.Linear(t, 600<<10, input, func(raw []byte) {
			link := func(Attachment) (string, error) { return "https://files.example", nil }
			_, _ = Convert(raw, Options{Attachments: Link, Link: link, LinkCalendars: true})
		})
	})
}
