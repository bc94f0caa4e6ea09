package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"net/smtp"
	"strings"
	"sync"
	"time"
)

// kind is a message of some shape.
type kind struct {
	name string
	body func() string // header fields of MIME, a blank line, and the body
}

var kinds = []kind{{"4 KB plain", plain}, {"30 KB alternative", alternative}}

const words = "the printer on the third floor says that it is on fire and would like somebody to come and " +
	"extinguish it very soon "

func plain() string {
	return "Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(words[:70]+"\r\n", 56)
}

// alternative has 8 KB of text and 22 KB of HTML, quoted-printable.
func alternative() string {
	var text, html bytes.Buffer
	t, h := quotedprintable.NewWriter(&text), quotedprintable.NewWriter(&html)
	for i := range 100 {
		fmt.Fprintf(t, "Zeile %d: Grüße, %s\r\n", i, words[:55])
		const row = `<tr><td style="padding:4px">%d</td><td style="padding:4px;color:#333">Grüße, %s</td></tr>` + "\r\n"
		fmt.Fprintf(h, row, i, words)
	}
	_, _ = t.Close(), h.Close() // buffers take everything
	return "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n" +
		"--b1\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		text.String() +
		"\r\n--b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"<html><body><table>" + html.String() + "</table></body></html>\r\n--b1--\r\n"
}

// sendAll sends messages from clients at the same time, each on one connection,
// to recipients of many lanes.
func sendAll(address string, k kind, messages, clients int) error {
	body := k.body()
	var sending sync.WaitGroup
	errs := make([]error, clients)
	for c := range clients {
		sending.Go(func() { errs[c] = send(address, body, c, messages/clients+min(1, max(0, messages%clients-c))) })
	}
	sending.Wait()
	return errors.Join(errs...)
}

func send(address, body string, c, n int) error {
	client, err := smtp.Dial(address)
	if err != nil {
		return err
	}
	defer client.Close()
	for i := range n {
		to := fmt.Sprintf("c%d-%d@example.com", c, i)
		const fields = "From: app@example.com\r\nTo: %s\r\nSubject: Load %d\r\nMessage-ID: <%d.%d@load>\r\nDate: %s\r\n"
		head := fmt.Sprintf(fields, to, i, rand.Int64(), c, time.Now().Format(time.RFC1123Z))
		if err := transaction(client, to, head+body); err != nil {
			return err
		}
	}
	return client.Quit()
}

func transaction(client *smtp.Client, to, text string) error {
	if err := client.Mail("app@example.com"); err != nil {
		return err
	}
	if err := client.Rcpt(to); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(text)); err != nil {
		return err
	}
	return w.Close()
}
