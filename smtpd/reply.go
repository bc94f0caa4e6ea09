package smtpd

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// maxReply is the longest reply line without its end (RFC 5321, section 4.5.3.1.5).
const maxReply = 510

// refuse makes an error that go-smtp says to the client word for word.
func refuse(code int, enhanced smtp.EnhancedCode, format string, v ...any) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: fmt.Sprintf(format, v...)}
}

// Write takes one line of a reply from go-smtp. The lines of a reply leave together.
func (c *conn) Write(p []byte) (int, error) {
	raw := bytes.TrimSuffix(p, crlf)
	if c.over || len(raw) == 0 { // the end of an overlong line comes alone
		return len(p), nil
	}
	if c.listener.Implicit && !c.encrypted {
		if err := c.handshake(); err != nil {
			return 0, err
		}
	}
	line := string(raw)
	if c.refusal != "" {
		line = c.refusal
	}
	if !c.answer.handlers {
		line = mend(line, c.server.o)
	}
	line = printable(line, maxReply)
	c.out = append(append(c.out, line...), crlf...)
	if line == "250-CHUNKING" {
		c.out = append(c.out, c.extensions()...)
	}
	if len(line) > 3 && line[3] == '-' {
		return len(p), nil
	}
	e := parseReply(line)
	if e.Code >= 400 && !c.answer.handlers {
		e.Err = c.answer.err
		if c.answer.note != "" {
			e.Reason += " (" + c.answer.note + ")"
		}
		c.tell(e)
	}
	if err := c.send(); err != nil {
		c.over = true
		return 0, err
	}
	handlers := c.answer.handlers
	c.left(e.Code)
	if e.Code >= 500 && !handlers {
		c.errors++
	}
	if c.errors > c.server.o.Limits.Errors && !c.over {
		return 0, c.end(tooManyErrors)
	}
	return len(p), nil
}

const tooManyErrors = "421 4.7.0 Too many errors, closing the connection"

// send writes the reply that is complete.
func (c *conn) send() error {
	patience := c.server.o.Limits.Reply
	c.mu.Lock()
	if c.cutting {
		patience = lastWord
	}
	err := c.SetWriteDeadline(time.Now().Add(patience))
	c.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = c.Conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// left does what follows from a reply that has left.
func (c *conn) left(code int) {
	now := time.Now()
	if c.answer.heard != nil {
		c.heard = append(c.heard, c.answer.heard)
	}
	if c.answer.left != nil {
		c.guarded("Written", c.answer.left)
	}
	c.answer = answer{}
	c.challenged = code == 334
	if code == 250 && (c.verb == "EHLO" || c.verb == "HELO") {
		c.greeted, c.extended = true, c.verb == "EHLO"
	}
	if c.greeted {
		c.commandBy = now.Add(c.server.o.Limits.Command)
	}
	if c.data = code == 354; c.data {
		c.contentBy = now.Add(c.server.o.Limits.DataTotal)
	}
	if code == 421 { // RFC 5321, section 3.8: the server closes
		c.over = true
	}
}

// extensions are the lines of the EHLO reply that go-smtp does not know of.
func (c *conn) extensions() string {
	lines := ""
	if c.listener.TLS != nil && !c.encrypted {
		lines += "250-STARTTLS\r\n"
	}
	return lines + fmt.Sprintf("250-LIMITS RCPTMAX=%d\r\n", c.server.o.Limits.Recipients) // RFC 9422
}

// mend gives a reply line of go-smtp's own the code or the words that the RFCs want.
func mend(line string, o Options) string {
	switch line {
	case "502 5.5.1 Please introduce yourself first.",
		"502 5.5.1 Missing MAIL FROM command.",
		"502 5.5.1 Missing RCPT TO command.",
		"502 5.5.1 MAIL not allowed during message transfer",
		"502 5.5.1 RCPT not allowed during message transfer",
		"502 5.5.1 DATA not allowed during message transfer":
		return "503" + line[3:] // RFC 5321, section 4.1.4: bad sequence of commands
	case "500 5.5.4 Unknown MAIL FROM argument", "500 5.5.4 Unknown RCPT TO argument":
		return "555" + line[3:] // RFC 5321, section 4.1.1.11
	case "501 5.5.2 Bad command":
		return "500" + line[3:] // RFC 5321, section 4.2.4: not an error of parameters
	case "500 5.5.1 Too many errors. Quiting now":
		return tooManyErrors
	case "502 5.5.4 Missing parameter":
		return "501 5.5.4 AUTH wants the name of a mechanism"
	case "454 4.7.0 Invalid base64 data":
		return "501 5.5.2 That is no base64" // RFC 4954, section 4
	case "501 5.0.0 Negotiation cancelled":
		return "501 5.7.0 Cancelled"
	case "235 2.0.0 Authentication succeeded":
		return "235 2.7.0 Authentication succeeded" // RFC 4954, section 6
	case "250-SIZE", "250 SIZE":
		return fmt.Sprintf("%s %d", line, o.Limits.MessageSize) // RFC 1870, section 4
	}
	// RFC 5321, section 4.1.1.1: the server's name stands first. RFC 2034, section 4:
	// no enhanced code here.
	if client, ok := strings.CutPrefix(line, "250-Hello "); ok {
		return "250-" + o.Hostname + " Hello " + client
	}
	if client, ok := strings.CutPrefix(line, "250 2.0.0 Hello "); ok {
		return "250 " + o.Hostname + " Hello " + client
	}
	return line
}

// printable cuts s to n bytes, and what is not printable ASCII becomes "?".
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}

// parseReply reads code, enhanced code and text of a reply line.
func parseReply(line string) Event {
	code, text, _ := strings.Cut(line, " ")
	e := Event{Reason: text}
	e.Code, _ = strconv.Atoi(code)
	if enhanced, rest, ok := strings.Cut(text, " "); ok {
		if _, ok := parseEnhanced(enhanced, e.Code); ok {
			e.Enhanced, e.Reason = enhanced, rest
		}
	}
	return e
}

// parseEnhanced reads a status code of RFC 3463 that agrees with a reply code.
func parseEnhanced(s string, code int) (e smtp.EnhancedCode, ok bool) {
	fields := strings.Split(s, ".")
	if len(fields) != len(e) {
		return e, false
	}
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 10)
		if err != nil || n > 999 {
			return e, false
		}
		e[i] = int(n)
	}
	return e, e[0] == code/100
}
