package smtpd

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// protocol is the name of what was spoken, for a Received field (RFC 3848; RFC 6531,
// section 4.3). HELO is plain SMTP, unless something more came with it.
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

// Trace is the Received field that a server called by puts before the message (RFC
// 5321, section 4.4), with its line end. It names the recipient where there is one
// alone: of several, one could be blind.
func (e *Envelope) Trace(by string) []byte {
	who := "localhost (unix socket)"
	if e.Client.IsValid() {
		who = fmt.Sprintf("%s (%s)", helloName(e.Hello), literal(e.Client))
	}
	to := ""
	if len(e.Rcpt) == 1 {
		to = "\r\n\tfor <" + e.Rcpt[0] + ">"
	}
	return fmt.Appendf(nil, "Received: from %s\r\n\tby %s %s with %s id %s%s; %s\r\n",
		who, by, software, e.Protocol, e.QueueID, to, e.Received.Format(time.RFC1123Z))
}

// software is the comment by which a Received field of ours is known.
const software = "(heyrelay)"

// Traced reports whether the value of a Received field is one that Trace made for a
// server called by, however it was folded since.
func Traced(value, by string) bool {
	words := strings.Fields(value)
	for i := 0; i+5 < len(words); i++ {
		if words[i] == "by" && strings.EqualFold(words[i+1], by) && words[i+2] == software && words[i+3] == "with" && words[i+5] == "id" {
			return true
		}
	}
	return false
}

// helloName is what the client called itself, if that is a host name or a literal.
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

// literal writes an address as SMTP does (RFC 5321, section 4.1.3).
func literal(a netip.Addr) string {
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}
