package smtpd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"time"
)

// isStartTLS says whether a command line is a STARTTLS, and whether it has
// parameters.
func isStartTLS(line []byte) (yes, parameters bool) {
	verb, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	return bytes.EqualFold(verb, []byte("STARTTLS")), len(rest) > 0
}

// startTLS answers a STARTTLS, which go-smtp never sees: the stream is exchanged
// below it, between two lines. It fails where the connection has ended.
func (c *conn) startTLS(parameters bool) error {
	refusal := ""
	switch {
	case parameters: // RFC 3207, section 4
		refusal = "501 5.5.4 STARTTLS has no parameters"
	case c.encrypted:
		refusal = "503 5.5.1 TLS is on already"
	case c.queueID != "":
		refusal = "503 5.5.1 A transaction is open: complete it or end it with RSET before STARTTLS"
	case c.user != "":
		refusal = "503 5.5.1 STARTTLS comes before AUTH"
	case len(c.rest) > 0:
		// Whoever stands between client and server can put commands behind a
		// STARTTLS in plaintext, to be carried out as if they had come by TLS.
		return c.end("421 4.7.0 Something came in plaintext behind STARTTLS, closing the connection")
	}
	if refusal != "" {
		return c.say(refusal)
	}
	if err := c.say("220 2.0.0 Ready to start TLS"); err != nil {
		return err
	}
	// RFC 3207, section 4.2: what was said before is forgotten.
	c.greeted, c.extended = false, false
	c.commandBy = time.Now().Add(c.server.o.Limits.Greeting)
	return c.handshake()
}

// say writes a reply that is not go-smtp's. It fails where the connection has ended.
func (c *conn) say(reply string) error {
	if _, err := c.Write([]byte(reply + "\r\n")); err != nil {
		return net.ErrClosed
	}
	return nil
}

// handshake puts TLS between the socket and all that follows, or ends the connection.
func (c *conn) handshake() error {
	secure := tls.Server(c.Conn, c.listener.TLS)
	c.mu.Lock()
	err := os.ErrDeadlineExceeded
	if !c.stopped() {
		err = c.SetDeadline(c.commandBy)
	}
	c.mu.Unlock()
	if err == nil {
		err = secure.Handshake()
	}
	if err != nil {
		c.over = true
		reason := "the TLS handshake failed"
		if _, plain := errors.AsType[tls.RecordHeaderError](err); plain && c.listener.Implicit {
			reason = "connection cut: the client speaks plaintext, and " + c.listener.Name + " begins with TLS"
		}
		c.tell(Event{Reason: reason, Err: err})
		return net.ErrClosed
	}
	c.mu.Lock()
	c.Conn = secure
	c.mu.Unlock()
	c.encrypted = true
	return nil
}
