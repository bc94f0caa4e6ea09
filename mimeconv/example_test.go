package mimeconv_test

import (
	"errors"
	"fmt"
	"strings"

	"heyrelay/mimeconv"
)

func ExampleReadHeader() {
	h, err := mimeconv.ReadHeader([]byte("From: Shop <shop@example.com>\r\n" +
		"To: Doe, John <john@example.net>, root\r\n" +
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
		"In-Reply-To: <4711@shop.example.com>\r\n" +
		"\r\n" +
		"The body is not read.\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Subject)
	fmt.Printf("%q\n", h.To)
	fmt.Println(h.InReplyTo)
	// Output:
	// Grüße
	// [{"Doe, John" "john@example.net"} {"" "root"}]
	// [4711@shop.example.com]
}

func ExampleConvert() {
	raw := []byte("Subject: Your order\r\n" +
		"\r\n" +
		"It is on its way: https://shop.example.com/4711\r\n" +
		"> When does it come?\r\n")
	m, err := mimeconv.Convert(raw, mimeconv.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Title)
	fmt.Println(m.Text)
	fmt.Print(m.HTML)
	// Output:
	// Your order
	// It is on its way: https://shop.example.com/4711
	// > When does it come?
	// <p>It is on its way: <a href="https://shop.example.com/4711">https://shop.example.com/4711</a></p>
	// <blockquote style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">
	// <p>When does it come?</p>
	// </blockquote>
}

// The error says why a message cannot be converted.
func ExampleError() {
	raw := []byte("Subject: Scan\r\n" +
		"Content-Type: application/pdf; name=scan.pdf\r\n" +
		"\r\n" +
		"%PDF-1.4\r\n")
	_, err := mimeconv.Convert(raw, mimeconv.Options{Attachments: mimeconv.Reject})
	var refused *mimeconv.Error
	if errors.As(err, &refused) && refused.Kind == mimeconv.ErrAttachment {
		for line := range strings.SplitSeq(refused.Detail, "; ") {
			fmt.Println(line)
		}
	}
	// Output:
	// attachments cannot be sent: "scan.pdf" (application/pdf, 10 bytes)
	// to send the message without them, set "attachments: drop" on the route
}
