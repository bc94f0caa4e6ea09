// Package smarthost sends mail through another mail server by SMTP (RFC 5321): the
// delivery reports that package notify writes, the messages that package delivery cannot
// give to the API, and what package intake passes on.
//
// A caller connects, learns from [Session.Offers] what the server supports, and
// sends messages that fit. go-smtp speaks the protocol; this package decides when
// to encrypt, whom to trust, and which errors are permanent.
package smarthost

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Server describes a mail server. It must not be changed once in use; its methods
// may be called from many goroutines.
type Server struct {
	Hostname string            // sent in EHLO
	Address  string            // host:port
	Implicit bool              // TLS from the start (RFC 8314, section 3); otherwise STARTTLS where offered
	User     string            // for AUTH; empty: no login
	Password func() string     // the current password of User
	Own      func() []net.Addr // listener addresses of this relay; nil: none

	Roots *x509.CertPool                                                       // nil: the system's
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer's
}

// Offers are the extensions of a server that decide what it can be sent.
type Offers struct {
	EightBit bool  // 8BITMIME (RFC 6152)
	UTF8     bool  // SMTPUTF8 (RFC 6531)
	DSN      bool  // delivery reports on request (RFC 3461)
	Size     int64 // largest message in octets (RFC 1870); 0: no stated limit
}

// Message is a mail to one recipient.
type Message struct {
	From     string // reverse-path; empty: <>
	To       Recipient
	EightBit bool   // needs 8BITMIME
	UTF8     bool   // needs SMTPUTF8
	Text     []byte // header and body; lines end with CRLF

	EnvelopeID string // see Sender
	Return     string // see Sender
}

// IsASCII reports whether a text needs neither 8BITMIME nor SMTPUTF8.
func IsASCII[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] > unicode.MaxASCII {
			return false
		}
	}
	return true
}

// maxReply is how many octets of a reply are kept. A server may reply with a megabyte.
const maxReply = 1000

// OneLine returns the text of a reply for people: as one line, and not more than the first 1000 octets.
func OneLine(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	if len(line) > maxReply {
		line = strings.ToValidUTF8(line[:maxReply], "") + "…"
	}
	return line
}

// Refused is a permanent failure: sending the same message again fails the same way.
type Refused struct{ Err error }

// Error implements error.
func (r Refused) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r Refused) Unwrap() error { return r.Err }

// Denied is a failure that sending again does not end, whatever the message is: the server
// refuses the login, its certificate is not valid, or it is this relay itself.
type Denied struct{ Err error }

// Error implements error.
func (d Denied) Error() string { return d.Err.Error() }

// Unwrap returns the cause.
func (d Denied) Unwrap() error { return d.Err }

// Unanswered is a failure after the whole message was sent: the server may have accepted it,
// and SMTP has no way to ask (RFC 1047).
type Unanswered struct{ Err error }

// Error implements error.
func (u Unanswered) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u Unanswered) Unwrap() error { return u.Err }

// dial connects to the server, unless it is this relay: mail sent there would come
// back.
func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	conn, err := dial(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	remote := conn.RemoteAddr()
	if s.Own != nil && slices.ContainsFunc(s.Own(), func(own net.Addr) bool { return same(remote, own) }) {
		_ = conn.Close()
		return nil, Denied{
			fmt.Errorf("smarthost %s is this relay itself, at %s; name another mail server", s.Address, remote),
		}
	}
	return &bounded{Conn: conn, left: maxReplies}, nil
}

// same reports whether a connection to remote reached the listener at own.
func same(remote, own net.Addr) bool {
	r, ok := remote.(*net.TCPAddr)
	l, also := own.(*net.TCPAddr)
	if !ok || !also || r.Port != l.Port {
		return false
	}
	everywhere := l.IP == nil || l.IP.IsUnspecified()
	return l.IP.Equal(r.IP) || everywhere && isOurs(r.IP)
}

// isOurs reports whether an address belongs to this machine.
func isOurs(ip net.IP) bool {
	addresses, _ := net.InterfaceAddrs() // on failure only loopback is known
	return ip.IsLoopback() || slices.ContainsFunc(addresses, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(ip)
	})
}

// maxReplies bounds in octets what a server may send in one session.
const maxReplies = 1 << 20

// bounded is a connection that fails once the server has sent too much.
type bounded struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server's replies are too long")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
