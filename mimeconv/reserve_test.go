package mimeconv

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// TestReserve: whatever conversion makes is counted, what it no longer uses is not, and an
// error of the caller ends it.
func TestReserve(t *testing.T) {
	lines := repeat(base64.StdEncoding.EncodeToString([]byte(repeat("words ", 9)))+"\r\n", 2000)
	for _, c := range []struct {
		name, raw   string
		least, kept int64 // octets, at most at a time and at the end
	}{
		{
			"base64 of text: decoded, read in its charset, cleaned, and made HTML",
			head + "Content-Transfer-Encoding: base64\r\n\r\n" + lines,
			int64(4 * 54 * 2000), 1 << 20,
		},
		{
			"quoted-printable of text", head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + repeat("=41", 50_000),
			3*50_000 + 3*50_000, 1 << 20,
		},
		{"tabs that become HTML", head + "\r\nx" + repeat("\t", 20_000) + "x", 20_000 * 19, 1 << 20},
		{"HTML that becomes text", htmlMail(repeat("<p>words", 5000)), 5000 * (2*8 + 5), 1 << 20},
		{
			"HTML beside HTML",
			multipart("mixed", repeat("--b\r\nContent-Type: text/html\r\n\r\n"+repeat("<p>words", 5000)+"\r\n", 2)),
			2*5000*(2*8+5) + 3*5000*8, 1 << 20,
		},
		{
			"a returned header without what nobody may see",
			head + "Content-Type: text/rfc822-headers\r\n\r\n" + repeat("X-A: words\r\n", 5000),
			4 * 5000 * 12, 1 << 20,
		},
		{
			"text before the first part",
			head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeat("words\r\n", 5000) +
				"--b\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n",
			4 * 5000 * 7, 1 << 20,
		},
		{"compressed rich text", winmailOf(10_000), 2 * 9 * 10_000, 1 << 20},
	} {
		var made, most int64
		count := func(n int64) error {
			made += n
			most = max(most, made)
			return nil
		}
		if _, err := Convert([]byte(c.raw), Options{Attachments: Drop, Reserve: count}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if most < c.least || made > c.kept {
			t.Errorf("%s: %d octets at most, want %d or more; %d at the end, want %d or less",
				c.name, most, c.least, made, c.kept)
		}
		full := errors.New("full")
		refuse := func(n int64) error {
			if n > c.least/10 {
				return full
			}
			return nil
		}
		_, err := Convert([]byte(c.raw), Options{Attachments: Drop, Reserve: refuse})
		if !errors.Is(err, full) {
			t.Errorf("%s: %v where there is no room", c.name, err)
		}
	}
}

// TestFilesCostNothing: files are read from the message, without a decoded copy.
func TestFilesCostNothing(t *testing.T) {
	lines := repeat(base64.StdEncoding.EncodeToString([]byte(repeat("words ", 9)))+"\r\n", 20_000)
	parts := repeat("--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"+lines, 2)
	raw := []byte(multipart("mixed", parts))
	for _, policy := range []Policy{Drop, Link} {
		var reserved int64
		o := Options{
			Attachments: policy,
			Reserve: func(n int64) error {
				reserved += max(0, n)
				return nil
			},
			Link: func(a Attachment) (string, error) {
				_ = count(a.Open())
				return "https://files.example/1", nil
			},
		}
		made := allocated(func() {
			if _, err := Convert(raw, o); err != nil {
				t.Error(err)
			}
		})
		if made > int64(len(raw))/10 || reserved > 10_000 {
			t.Errorf("%s: %d octets allocated and %d reserved for a message of %d", policy, made, reserved, len(raw))
		}
	}
}

// allocated returns how many octets f allocates.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// winmailOf is a winmail.dat whose rich text has n octets.
func winmailOf(n int) string {
	rtf := fmt.Sprintf("%s%s", repeat("\x00", 8)+"MELA\x00\x00\x00\x00", `{\rtf1 `+repeat("words ", n)+"}")
	value := fmt.Sprintf("\x01\x00\x00\x00\x02\x01\x09\x10\x01\x00\x00\x00%s%s", sizeOf(rtf), rtf)
	file := "\x78\x9f\x3e\x22\x01\x00\x01\x03\x90\x06\x00" + sizeOf(value) + value + "\x00\x00"
	return head + "Content-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(file)) + "\r\n"
}

func sizeOf(s string) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) }
