package smtpd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// isStartTLS reports whether a command line is a STARTTLS, and whether it has parameters.
func isStartTLS(line []byte) (yes, parameters bool) {
	verb, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	return bytes.EqualFold(verb, []byte("STARTTLS")), len(rest) > 0
}

// startTLS answers a STARTTLS, which go-smtp never sees: the stream is replaced below it,
// between two lines. It fails if the connection has ended.
func (c *conn) startTLS(parameters bool) error {
	refusal := ""
	switch {
	case parameters: // RFC 3207, section 4
		refusal = "501 5.5.4 Syntax: STARTTLS"
	case c.encrypted:
		refusal = "503 5.5.1 TLS is already active"
	case c.queueID != "":
		refusal = "503 5.5.1 STARTTLS is not allowed in a transaction: send RSET first"
	case c.user != "":
		refusal = "503 5.5.1 STARTTLS is not allowed after AUTH"
	case len(c.unread) > 0:
		// Somebody between client and server can add plaintext commands to a STARTTLS,
		// so that they are executed as if they had been sent over TLS.
		return c.end("421 4.7.0 Plaintext received after STARTTLS, closing connection")
	}
	if refusal != "" {
		return c.reply(refusal)
	}
	if err := c.reply("220 2.0.0 Ready to start TLS"); err != nil {
		return err
	}
	// RFC 3207, section 4.2: all knowledge of the client is discarded.
	c.greeted = false
	c.extended = false
	c.commandDeadline = time.Now().Add(c.setup.Limits.Greeting)
	return c.handshake()
}

// reply writes a reply that is not go-smtp's. It fails if the connection has ended.
func (c *conn) reply(line string) error {
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		return net.ErrClosed
	}
	return nil
}

// handshake starts TLS on the socket, or ends the connection.
func (c *conn) handshake() error {
	secure := tls.Server(c.socket, c.access().TLS)
	c.mu.Lock()
	err := os.ErrDeadlineExceeded
	if !c.stopping() {
		err = c.socket.SetDeadline(c.commandDeadline)
	}
	c.mu.Unlock()
	if err == nil {
		err = secure.Handshake()
	}
	if err != nil {
		c.closed = true
		reason := "TLS handshake failed"
		if _, plain := errors.AsType[tls.RecordHeaderError](err); plain && c.access().Implicit {
			reason = "connection closed: client sent plaintext, but " + c.access().Name + " expects TLS"
		}
		c.log(Event{Closed: true, Reason: reason, Err: err})
		return net.ErrClosed
	}
	c.mu.Lock()
	c.socket = secure
	c.mu.Unlock()
	c.encrypted = true
	return nil
}
