package smarthost

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Sender is what MAIL says. Of its parameters, those that the server offers are sent.
type Sender struct {
	Path       string // as in MAIL, without brackets; empty: <>
	UTF8       bool   // SMTPUTF8 (RFC 6531); an error if the server does not offer it
	Size       int64  // in octets; 0: unknown (RFC 1870)
	EnvelopeID string // ENVID, decoded; empty: none (RFC 3461, section 4.4)
	Return     string // FULL or HDRS; empty: the server decides (RFC 3461, section 4.3)
}

// Recipient is what RCPT says. Its parameters are sent if the server offers DSN.
type Recipient struct {
	Path     string   // without brackets, the local part not quoted
	Notify   []string // NEVER, or some of SUCCESS, FAILURE and DELAY (RFC 3461, section 4.1)
	Original string   // ORCPT, decoded, as "rfc822;a@example.com"; empty: none (RFC 3461, section 4.2)
}

// Mail begins a transaction. After an error that is no [Refusal], the session is broken;
// so it is after one of Rcpt and Data. That a server wants TLS which failed is no refusal of mail:
// the error is that of TLS.
func (c *Session) Mail(from Sender) error {
	err := c.client.Mail(from.Path, &smtp.MailOptions{
		UTF8:       from.UTF8,
		Size:       from.Size,
		EnvelopeID: from.EnvelopeID,
		Return:     smtp.DSNReturn(from.Return),
	})
	if code, _, _ := Refusal(err); code == 530 && c.NoTLS != nil { // RFC 3207, section 4
		return fmt.Errorf("STARTTLS: %w", c.NoTLS)
	}
	return err
}

// Rcpt adds a recipient to the transaction.
func (c *Session) Rcpt(to Recipient) error {
	o := &smtp.RcptOptions{}
	for _, n := range to.Notify {
		o.Notify = append(o.Notify, smtp.DSNNotify(n))
	}
	kind, address, ok := strings.Cut(to.Original, ";")
	if ok {
		o.OriginalRecipientType = smtp.DSNAddressType(strings.ToUpper(kind))
		o.OriginalRecipient = address
	}
	return c.client.Rcpt(path(to.Path), o)
}

// Data sends the message and returns the server's reply without its code. The message
// arrives as it is, bare CRs and LFs included; one that does not end with CRLF gets one.
// The error is [Unanswered] where it was sent and no reply came.
func (c *Session) Data(message []byte) (reply string, err error) {
	data, err := c.client.Data()
	if err != nil {
		return "", err
	}
	if err := c.write(bytes.TrimSuffix(message, crlf)); err != nil {
		return "", c.early(err)
	}
	answer, err := data.CloseWithResponse() // it ends the last line, too
	switch code, text, _ := Refusal(err); {
	case err == nil:
		return answer.StatusText, nil
	case code/100 == 2: // the client knows 250 alone
		return text, nil
	case code/100 == 4 || code/100 == 5:
		return "", err
	}
	return "", Unanswered{err}
}

// early returns the refusal of a server that replied and closed before the end of the message, such
// as one for which it is too large, or else the error of writing.
func (c *Session) early(written error) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(earlyTimeout)); err != nil {
		return written
	}
	code, text, err := textproto.NewReader(bufio.NewReader(c.conn)).ReadResponse(0)
	if err != nil || code/100 != 4 && code/100 != 5 {
		return written
	}
	return &smtp.SMTPError{Code: code, Message: text}
}

const earlyTimeout = 5 * time.Second // the reply is there, or never comes

var crlf = []byte("\r\n")

// write sends the lines of a message, each that begins with a dot with another one (RFC
// 5321, section 4.5.2). go-smtp's writer would change bare LFs.
func (c *Session) write(message []byte) error {
	w := bufio.NewWriterSize(patient{c.conn}, blockSize)
	if bytes.HasPrefix(message, []byte(".")) {
		_ = w.WriteByte('.') // Flush returns its error
	}
	for line := range bytes.SplitAfterSeq(message, []byte("\r\n.")) {
		_, _ = w.Write(line)
		if bytes.HasSuffix(line, []byte("\r\n.")) {
			_ = w.WriteByte('.')
		}
	}
	return w.Flush()
}

// patient is a connection whose server may take blockTimeout to read a block (RFC 5321,
// section 4.5.3.2.5).
type patient struct{ net.Conn }

const (
	blockTimeout = 3 * time.Minute
	blockSize    = 64 << 10
)

// Write implements io.Writer.
func (p patient) Write(b []byte) (written int, err error) {
	for block := range slices.Chunk(b, blockSize) {
		if err := p.SetWriteDeadline(time.Now().Add(blockTimeout)); err != nil {
			return written, err
		}
		n, err := p.Conn.Write(block)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Refusal returns the reply with which a server refused a command: its code, and its text
// with the enhanced status code, lines separated by "\n". ok is false for other errors.
func Refusal(err error) (code int, text string, ok bool) {
	var answer *smtp.SMTPError
	if !errors.As(err, &answer) {
		return 0, "", false
	}
	if answer.EnhancedCode == (smtp.EnhancedCode{}) {
		return answer.Code, answer.Message, true
	}
	e := answer.EnhancedCode
	enhanced := fmt.Sprintf("%d.%d.%d ", e[0], e[1], e[2])
	return answer.Code, enhanced + strings.ReplaceAll(answer.Message, "\n", "\n"+enhanced), true
}

// path quotes the local part of an address where it needs that (RFC 5321, section
// 4.1.2).
func path(address string) string {
	if !strings.Contains(address, "@") { // such as postmaster
		return address
	}
	bracketed := (&mail.Address{Address: address}).String()
	return strings.TrimSuffix(strings.TrimPrefix(bracketed, "<"), ">")
}
