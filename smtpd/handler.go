package smtpd

import (
	"context"
	"net/netip"
	"time"
)

// Handler processes accepted mail. Handle is called once for each completed DATA or
// BDAT, concurrently from many sessions. The handler may use raw only until Handle
// returns; the envelope is its to keep. raw is the message as received, with CRLF line
// endings and without a trace field: Envelope.WithTrace adds one.
type Handler interface {
	Handle(ctx context.Context, env *Envelope, raw []byte) Reply
}

// Envelope is one mail transaction (RFC 5321, section 2.3.1) and its client.
type Envelope struct {
	QueueID  string     // assigned at MAIL, so that every refusal can name it
	Client   netip.Addr // the peer; the zero Addr for a unix socket
	Hello    string     // the argument of EHLO or HELO
	Protocol string     // as in RFC 3848: "ESMTPSA" is ESMTP with TLS and AUTH
	User     string     // authenticated user, "" for none
	From     string     // MAIL FROM without brackets; "" for the null reverse-path <>
	Rcpt     []string   // RCPT TO without brackets, in order, as spelled, duplicates included
	UTF8     bool       // the client declared SMTPUTF8 (RFC 6531)
	Size     int64      // announced by MAIL; 0 if it was not (RFC 1870)
	Received time.Time  // when DATA was complete

	// Reserve charges n bytes that a Handler makes of the message to Limits.InFlight, until
	// Handle returns; n is negative for bytes that are no longer in use. The error is
	// ErrMessageMemory, ErrAccountMemory or ErrMemory, and nothing was charged. Only the goroutine of Handle may
	// call it. It is nil in an Envelope that no server made.
	Reserve func(n int64) error

	buffer *messageBuffer // nil in an Envelope that no server made

	EnvelopeID string // ENVID, decoded; "" for none (RFC 3461, section 4.4)
	Return     string // FULL or HDRS; "" if not given (RFC 3461, section 4.3)
	DSN        []DSN  // one for each element of Rcpt
}

// Relayed is a transaction that another server, the next hop, replies to. Its methods are
// called one after the other. A Reply of the next hop is given to the client as it is; 2xx
// to a recipient accepts it.
type Relayed interface {
	// Rcpt passes a recipient on, as the client spelled it: it is not checked, and has no
	// alias.
	Rcpt(ctx context.Context, recipient string, d DSN) Reply

	// Data is called in place of Handler.Handle. The line endings of raw are not repaired;
	// Rcpt and DSN of the envelope are the recipients that the next hop accepted.
	Data(ctx context.Context, env *Envelope, raw []byte) Reply

	// Close ends the transaction at the next hop, complete or not.
	Close()
}

// DSN is the delivery status notification that the client requested for one recipient,
// if DSN was offered. The zero value requests nothing.
type DSN struct {
	Notify   []string // NEVER, or some of SUCCESS, FAILURE and DELAY (RFC 3461, section 4.1)
	Original string   // ORCPT, decoded, as "rfc822;a@example.com" (RFC 3461, section 4.2)
}

// Reply is the reply to a message, and the only text of a Handler that the client sees.
type Reply struct {
	Code     int    // 250, 451, 554, …
	Enhanced string // RFC 3463 status code, such as "2.0.0"
	Text     string // one line, without codes

	// Lines, if not nil, are sent in place of Enhanced and Text, each behind the code: the
	// reply of another server. Those of a 2xx to MAIL or RCPT are not sent.
	Lines []string

	// Confirmed, if not nil, is called at most once: when the reply has reached the client.
	// That is when the client sends anything after it, or when the connection ends and no
	// octet of the reply is unacknowledged. It is not called if the reply could not be
	// written or was not acknowledged: the client may then send the message again. Where
	// the system does not report acknowledgements (only Linux does), a written reply counts.
	Confirmed func()

	// Written, if not nil, is called at most once: when this reply has been written
	// to the connection. That does not show that the client received it.
	Written func()
}
