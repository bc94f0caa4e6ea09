package smtpd

import (
	"context"
	"net/netip"
	"time"
)

// Handler takes over accepted mail. Handle is called once for each completed
// DATA or BDAT, from many sessions at once. The raw message (as received, line
// ends CRLF, no trace field added: Envelope.Trace makes one) is the handler's until Handle returns; the
// envelope is the handler's to keep.
type Handler interface {
	Handle(ctx context.Context, env *Envelope, raw []byte) Reply
}

// Envelope is one mail transaction (RFC 5321, section 2.3.1) and who sent it.
type Envelope struct {
	QueueID  string     // made at MAIL, so that every refusal can name it
	Client   netip.Addr // the peer; the zero Addr for a unix socket
	Hello    string     // what the client called itself in EHLO or HELO
	Protocol string     // what was spoken, as RFC 3848 calls it: "ESMTPSA" is with TLS and AUTH
	User     string     // authenticated user, "" for none
	From     string     // MAIL FROM without brackets; "" for the null reverse-path <>
	Rcpt     []string   // RCPT TO without brackets, in order, as spelt, repeats included
	UTF8     bool       // the client said SMTPUTF8 (RFC 6531)
	Received time.Time  // when DATA was complete

	EnvelopeID string // ENVID, decoded; "" for none (RFC 3461, section 4.4)
	Return     string // FULL or HDRS; "" where the client did not say (RFC 3461, section 4.3)
	DSN        []DSN  // one for each of Rcpt
}

// DSN is what the client asked for about one recipient, if DSN was offered. The
// zero value asks for nothing.
type DSN struct {
	Notify   []string // NEVER, or some of SUCCESS, FAILURE and DELAY (RFC 3461, section 4.1)
	Original string   // ORCPT, decoded, as "rfc822;a@example.com" (RFC 3461, section 4.2)
}

// Reply is what the client is told, and the only text it ever sees.
type Reply struct {
	Code     int    // 250, 451, 554, …
	Enhanced string // RFC 3463 status code, such as "2.0.0"
	Text     string // one line, without codes

	// Confirmed, if not nil, is called at most once: when the client sends anything
	// after this reply, which shows that it received it. It is not called if the
	// connection ends first: the client may then send the message again.
	Confirmed func()

	// Written, if not nil, is called at most once: when this reply has been written
	// to the connection. That does not show that the client received it.
	Written func()
}
