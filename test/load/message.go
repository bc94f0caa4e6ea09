package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"heyrelay/smtpd"
	"heyrelay/test/mailbody"
)

// Bodies of messages. Their sizes are those of the whole message, or of the attachment.
const (
	smallBody       = "300B"
	plainBody       = "4KB"
	alternativeBody = "30KB"
	attachmentBody  = "1MB"
)

// madeBodies are the fields of MIME, an empty line, and the body.
var madeBodies = map[string]func() string{
	smallBody:       mailbody.Small,
	plainBody:       mailbody.Plain,
	alternativeBody: mailbody.Alternative,
	attachmentBody:  mailbody.Attachment,
}

// domain is that of all recipients. Their local parts are the ids of messages.
const domain = "load.example"

// mailer makes messages that differ in their ids only. Many goroutines may use it.
type mailer struct {
	heads []string // fields in front, filled with the id, once for each of its verbs
	rests [][]byte // what follows, with dots stuffed and the final dot
}

const (
	ownFields = "From: app@example.com\r\nTo: %[1]s@" + domain + "\r\nSubject: Load %[1]s\r\n" +
		"Message-ID: <%[1]s@example.com>\r\nDate: %[2]s\r\n"
	fileField = "X-Load-Id: %[1]s\r\n" // makes the message another one: no repeat
)

// newMailer makes mail with one of the bodies above, or out of the *.eml of a folder, in turn.
func newMailer(body string) (*mailer, error) {
	head := fmt.Sprintf(ownFields, "%[1]s", time.Now().Format(time.RFC1123Z))
	if made, ok := madeBodies[body]; ok {
		return &mailer{[]string{head}, [][]byte{stuffed([]byte(made()))}}, nil
	}
	files, err := filepath.Glob(filepath.Join(body, "*.eml"))
	if err != nil {
		return nil, err
	}
	m := &mailer{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		m.heads = append(m.heads, fileField)
		m.rests = append(m.rests, stuffed(raw))
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no *.eml in %q, which is none of %q",
			body, slices.Sorted(maps.Keys(madeBodies)))
	}
	return m, nil
}

// message returns the nth message as DATA sends it, in two parts. The second is shared.
func (m *mailer) message(n int, id string) (head, rest []byte) {
	n %= len(m.rests)
	return fmt.Appendf(nil, m.heads[n], id), m.rests[n]
}

// stuffed is a message with CRLF at the ends of lines, dots doubled where they begin one, and the dot that
// ends it (RFC 5321, 4.5.2).
func stuffed(raw []byte) []byte {
	text := slices.Concat([]byte("\r\n"), smtpd.RepairLineEndings(raw))
	text = bytes.ReplaceAll(text, []byte("\r\n."), []byte("\r\n.."))[2:]
	if !bytes.HasSuffix(text, []byte("\r\n")) {
		text = append(text, "\r\n"...)
	}
	return append(text, ".\r\n"...)
}
