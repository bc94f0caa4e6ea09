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

// refuse makes an error that go-smtp sends to the client word for word.
func refuse(code int, enhanced smtp.EnhancedCode, format string, v ...any) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: fmt.Sprintf(format, v...)}
}

// Write takes one line of a reply from go-smtp. The lines of a reply are sent together.
func (c *conn) Write(p []byte) (int, error) {
	raw := bytes.TrimSuffix(p, crlf)
	if c.closed || len(raw) == 0 { // the end of an overlong line comes alone
		return len(p), nil
	}
	if c.access().Implicit && !c.encrypted {
		if err := c.handshake(); err != nil {
			return 0, err
		}
	}
	line := string(raw)
	if c.refusal != "" {
		line = c.refusal
	}
	if !c.next.fromHandler {
		line = rewriteReply(line, c.setup)
	}
	if line == "250-DSN" && !c.setup.DSN {
		return len(p), nil
	}
	if n := len(c.next.lines); n > 0 && len(line) >= 3 {
		for _, l := range c.next.lines[:n-1] {
			c.append(line[:3] + "-" + l)
		}
		line = line[:3] + " " + c.next.lines[n-1]
	}
	line = c.append(line)
	if line == "250-CHUNKING" {
		c.out = append(c.out, c.extensions()...)
	}
	if len(line) > 3 && line[3] == '-' {
		return len(p), nil
	}
	if err := c.endReply(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// endReply sends a reply whose last line is given, and logs it if it is a refusal.
func (c *conn) endReply(last string) error {
	e := parseReply(last)
	if c.next.lines != nil { // another server's: its disk is full, for example, not ours
		e.Enhanced = ""
	}
	if e.Code >= 400 && !c.next.fromHandler {
		e.Err = c.next.err
		if c.next.note != "" {
			e.Reason += " (" + c.next.note + ")"
		}
		c.log(e)
	}
	if err := c.send(); err != nil {
		c.closed = true
		return err
	}
	if e.Code >= 500 && !c.next.fromHandler {
		c.errors++
	}
	c.sent(e.Code)
	if c.tooManyErrors() && !c.closed {
		return c.end(tooManyErrors)
	}
	return nil
}

// tooManyErrors reports whether too many commands were refused. An idle command beyond the limit counts as one.
func (c *conn) tooManyErrors() bool {
	limit := c.setup.Limits.Errors
	return c.errors+max(0, c.idle-limit) > limit
}

// append adds a line to the reply, and returns it as it is sent.
func (c *conn) append(line string) string {
	line = printable(line, maxReply)
	c.out = append(c.out, line...)
	c.out = append(c.out, crlf...)
	return line
}

const tooManyErrors = "421 4.7.0 Too many errors, closing connection"

// send writes the complete reply to the socket.
func (c *conn) send() error {
	timeout := c.setup.Limits.Reply
	c.mu.Lock()
	if c.aborting {
		timeout = lastReplyTimeout
	}
	err := c.socket.SetWriteDeadline(time.Now().Add(timeout))
	c.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = c.socket.Write(c.out)
	c.out = c.out[:0]
	return err
}

// sent updates the state of the dialogue after a reply was sent.
func (c *conn) sent(code int) {
	now := time.Now()
	if c.next.confirmed != nil {
		c.unconfirmed = append(c.unconfirmed, c.next.confirmed)
	}
	if c.next.written != nil {
		c.callback("Written", c.next.written)
	}
	if c.next.message {
		c.idleDeadline = now.Add(c.setup.Limits.IdleTotal)
		c.idle = 0
		if code < 300 {
			c.errors = 0
		}
	}
	c.next = replyInfo{}
	if c.greeted && code < 400 && code != 221 && !c.progress() {
		c.countIdle(now)
	}
	c.saslLine = code == 334
	if code == 250 && (c.verb == "EHLO" || c.verb == "HELO") {
		c.greeted = true
		c.extended = c.verb == "EHLO"
	}
	if c.greeted && (c.queueID == "" || code < 400 && c.progress()) {
		c.commandDeadline = now.Add(c.setup.Limits.Command)
	}
	if code == 354 {
		c.dataDeadline = now.Add(c.setup.Limits.DataTotal)
	}
	if code == 421 { // RFC 5321, section 3.8: the server closes
		c.closed = true
	}
}

// countIdle counts a command that brings no mail forward, by the minute: a client may keep its connection
// alive for days.
func (c *conn) countIdle(now time.Time) {
	if now.Sub(c.idleStart) >= time.Minute {
		c.idleStart = now
		c.idle = 0
	}
	c.idle++
}

// progress reports whether the latest command brings mail forward. NOOP and VRFY do not:
// they must not keep a transaction open for ever, nor the server busy.
func (c *conn) progress() bool {
	switch c.verb {
	case "AUTH", "MAIL", "RCPT", "DATA", "BDAT":
		return true
	}
	return false
}

// extensions returns the lines of the EHLO reply for extensions that go-smtp does not know.
func (c *conn) extensions() string {
	lines := ""
	if c.access().TLS != nil && !c.encrypted {
		lines += "250-STARTTLS\r\n"
	}
	return lines + fmt.Sprintf("250-LIMITS RCPTMAX=%d\r\n", c.setup.Limits.Recipients) // RFC 9422
}

// rewritten maps replies of go-smtp to what is sent instead: with the code that the RFCs
// require, or in plain words. TestRewrittenReplies fails when go-smtp changes one of them.
var rewritten = map[string]string{
	// RFC 5321, section 4.1.4: a bad sequence of commands is 503.
	"502 5.5.1 Please introduce yourself first.":         "503 5.5.1 Send EHLO or HELO first",
	"502 5.5.1 Missing MAIL FROM command.":               "503 5.5.1 Send MAIL first",
	"502 5.5.1 Missing RCPT TO command.":                 "503 5.5.1 Send RCPT first",
	"502 5.5.1 MAIL not allowed during message transfer": "503 5.5.1 MAIL is not allowed during message transfer",
	"502 5.5.1 RCPT not allowed during message transfer": "503 5.5.1 RCPT is not allowed during message transfer",
	"502 5.5.1 DATA not allowed during message transfer": "503 5.5.1 DATA is not allowed during message transfer",

	// RFC 5321, sections 4.1.1.11 and 4.2.4.
	"500 5.5.4 Unknown MAIL FROM argument": "555 5.5.4 Unknown MAIL parameter",
	"500 5.5.4 Unknown RCPT TO argument":   "555 5.5.4 Unknown RCPT parameter",
	"501 5.5.2 Bad command":                "500 5.5.2 Command not recognized",
	"500 5.5.2 Error: bad syntax":          "500 5.5.2 Command not recognized",

	// RFC 5321, section 3.8: the server closes with 421.
	"500 5.5.1 Too many errors. Quiting now": tooManyErrors,

	// RFC 4954, sections 4 and 6.
	"502 5.5.4 Missing parameter":        "501 5.5.4 Syntax: AUTH mechanism",
	"454 4.7.0 Invalid base64 data":      "501 5.5.2 Invalid base64 data",
	"501 5.0.0 Negotiation cancelled":    "501 5.7.0 Authentication cancelled",
	"235 2.0.0 Authentication succeeded": "235 2.7.0 Authentication successful",

	// The same codes in plain words.
	"501 5.5.2 Domain/address argument required for HELO": "501 5.5.2 Syntax: EHLO hostname",
	"501 5.5.4 Unable to parse SIZE as an integer":        "501 5.5.4 Malformed SIZE parameter value",
	"501 5.5.4 Unable to parse MAIL ESMTP parameters":     "501 5.5.4 Malformed MAIL parameters",
	"501 5.5.4 Unable to parse RCPT ESMTP parameters":     "501 5.5.4 Malformed RCPT parameters",
	"250 2.0.0 I have successfully done nothing":          "250 2.0.0 Ok",
	"354 Go ahead. End your data with <CR><LF>.<CR><LF>":  "354 End data with <CR><LF>.<CR><LF>",

	"501 5.5.2 Was expecting MAIL arg syntax of FROM:<address>": "501 5.5.2 Syntax: MAIL FROM:<address>",
	"501 5.5.2 Was expecting RCPT arg syntax of TO:<address>":   "501 5.5.2 Syntax: RCPT TO:<address>",
	"501 5.5.4 DATA command should not have any arguments":      "501 5.5.4 Syntax: DATA",
}

// rewordings are replies of go-smtp with a variable part, which replaces %s. The sender is not
// repeated: it can be rewrittenSender.
var rewordings = []struct{ prefix, suffix, text string }{
	{"250 2.0.0 Roger, accepting mail from <", ">", "250 2.0.0 Sender ok"},
	{"250 2.0.0 I'll make sure <", "> gets this", "250 2.0.0 Recipient <%s> ok"},
	{"500 5.5.2 Syntax errors, ", " command unrecognized", "500 5.5.2 Command not recognized: %s"},
}

// rewriteReply returns what is sent instead of a reply line of go-smtp's own.
func rewriteReply(line string, s *Setup) string {
	if other, ok := rewritten[line]; ok {
		return other
	}
	for _, r := range rewordings {
		if variable, ok := strings.CutPrefix(line, r.prefix); ok {
			return strings.Replace(r.text, "%s", strings.TrimSuffix(variable, r.suffix), 1)
		}
	}
	if rest, ok := strings.CutPrefix(line, "220 "+nameless); ok { // RFC 5321, section 4.2
		return "220 " + s.Hostname + rest
	}
	if line == "250-SIZE" || line == "250 SIZE" { // RFC 1870, section 4
		return fmt.Sprintf("%s %d", line, s.Limits.MessageSize)
	}
	// RFC 5321, section 4.1.1.1: the server's name comes first. RFC 2034, section 4: no
	// enhanced code here.
	if client, ok := strings.CutPrefix(line, "250-Hello "); ok {
		return "250-" + s.Hostname + " Hello " + client
	}
	if client, ok := strings.CutPrefix(line, "250 2.0.0 Hello "); ok {
		return "250 " + s.Hostname + " Hello " + client
	}
	return line
}

// nameless is the server's name in go-smtp's greeting, which rewriteReply replaces.
const nameless = "hostname.invalid"

// printable truncates s to n bytes and replaces what is not printable ASCII by "?".
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}

// parseReply parses code, enhanced code and text of a reply line.
func parseReply(line string) Event {
	code, text, _ := strings.Cut(line, " ")
	e := Event{Reason: text}
	e.Code, _ = strconv.Atoi(code)
	if enhanced, rest, ok := strings.Cut(text, " "); ok {
		if _, ok := parseEnhanced(enhanced, e.Code); ok {
			e.Enhanced = enhanced
			e.Reason = rest
		}
	}
	return e
}

// parseEnhanced parses a status code of RFC 3463 that agrees with a reply code.
func parseEnhanced(s string, code int) (e smtp.EnhancedCode, ok bool) {
	for i := range e {
		field, rest, more := strings.Cut(s, ".")
		n, err := strconv.ParseUint(field, 10, 10)
		if err != nil || n > 999 || more != (i < len(e)-1) {
			return e, false
		}
		e[i], s = int(n), rest
	}
	return e, e[0] == code/100
}
