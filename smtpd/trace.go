package smtpd

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// protocol names the protocol for a Received field (RFC 3848; RFC 6531, section 4.3). HELO is
// plain SMTP, unless TLS or AUTH was used too.
func (c *conn) protocol(utf8 bool) string {
	name := "SMTP"
	switch {
	case utf8:
		name = "UTF8SMTP"
	case c.extended || c.encrypted || c.user != "":
		name = "ESMTP"
	}
	if c.encrypted {
		name += "S"
	}
	if c.user != "" {
		name += "A"
	}
	return name
}

// Trace returns the Received field that the server named by prepends to the message (RFC
// 5321, section 4.4), with its line end. It names the recipient only if there is exactly one:
// of several, one could be blind.
func (e *Envelope) Trace(by string) []byte {
	who := "localhost (unix socket)"
	if e.Client.IsValid() {
		who = fmt.Sprintf("%s (%s)", helloName(e.Hello), literal(e.Client))
	}
	to := ""
	if len(e.Rcpt) == 1 && CheckAddress(e.Rcpt[0], true) == nil {
		to = "\r\n\tfor <" + e.Rcpt[0] + ">"
	}
	return fmt.Appendf(nil, "Received: from %s\r\n\tby %s %s with %s id %s%s; %s\r\n",
		who, by, software, e.Protocol, e.QueueID, to, e.Received.Format(time.RFC1123Z))
}

// WithTrace returns raw behind the field that Trace makes. For what a server has passed to
// Handle it copies nothing: the result shares the memory of raw, is valid until Handle returns,
// and is overwritten by the next call.
func (e *Envelope) WithTrace(by string, raw []byte) []byte {
	field := e.Trace(by)
	if whole, ok := e.buffer.prepend(field, raw); ok {
		return whole
	}
	return bytes.Join([][]byte{field, raw}, nil)
}

// software is the comment that identifies Received fields of heyrelay.
const software = "(heyrelay)"

// Traced reports whether Trace made the value of a Received field for the server named by,
// however it was folded since.
func Traced(value, by string) bool {
	words := strings.Fields(value)
	for i := 0; i+5 < len(words); i++ {
		byUs := words[i] == "by" && strings.EqualFold(words[i+1], by) && words[i+2] == software
		if byUs && words[i+3] == "with" && words[i+5] == "id" {
			return true
		}
	}
	return false
}

// helloName returns the argument of EHLO, if it is a host name or an address literal.
func helloName(hello string) string {
	if checkDomain(hello, false) == nil {
		return hello
	}
	if len(hello) > 2 && hello[0] == '[' && hello[len(hello)-1] == ']' {
		if a, err := netip.ParseAddr(hello[1 : len(hello)-1]); err == nil {
			return literal(a)
		}
	}
	return "unknown"
}

// literal formats an address literal (RFC 5321, section 4.1.3).
func literal(a netip.Addr) string {
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}
