package smtpd

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"heyrelay/internal/passhash"
)

// conn is one connection as go-smtp sees it: command lines in, replies out. All methods
// but drain and abort must be called on the goroutine that go-smtp runs for the connection.
type conn struct {
	socket   net.Conn // a TLS one after the handshake
	server   *Server
	listener *listener
	setup    *Setup // of the transaction, or else of the latest command
	client   netip.Addr
	network  string // of the client, see account
	refusal  string // replaces the greeting, if not ""
	closing  sync.Once

	// Input. A command line must fit into buf.
	buf     []byte
	unread  []byte // received, not yet given to go-smtp; as a rule in buf
	line    []byte // what is left of a line for go-smtp
	sniffed bool   // the first bytes were checked for other protocols
	chunk   int64  // bytes to come of a BDAT chunk

	// go-smtp starts Data for BDAT on a goroutine of its own, at any later time. Until then
	// nothing more is read: Data could find the transaction ended, or the next one.
	dataStarted chan struct{} // closed when Data starts; nil while go-smtp would refuse DATA and BDAT
	awaited     chan struct{} // is dataStarted, after a BDAT

	// Output.
	out         []byte    // lines of a reply whose last line is still to come
	next        replyInfo // set by the session before go-smtp writes the reply
	unconfirmed []func()  // called when the client sends more
	closed      bool      // nothing more is read or written
	discarded   bool      // the client closed a unix socket without reading all replies

	commandDeadline time.Time // for the next command
	idleDeadline    time.Time // for the next command without a transaction or login
	dataDeadline    time.Time // for the message; zero if none is arriving

	// The state of the dialogue.
	verb      string        // of the latest command, in capitals
	sender    *string       // of the latest command, if it is a MAIL whose sender go-smtp cannot parse
	recipient *string       // of the latest command, if it is a RCPT that got a domain for go-smtp
	ambiguous string        // parameter of the latest command, if it is a MAIL or RCPT, that has two values
	saslLine  bool          // the next line is not a command but the response to a 334
	greeted   bool          // by EHLO or HELO
	extended  bool          // by EHLO
	encrypted bool          // by TLS
	user      string        // who has authenticated, "" for nobody
	password  passhash.Hash // of the user, at the login
	errors    int           // refused commands since the last accepted message
	idle      int           // commands within a minute, since the last message, that bring none forward
	idleStart time.Time     // of that minute

	mu       sync.Mutex // also guards the replacement of socket by a TLS one
	queueID  string     // of the open transaction, "" outside one; written only by the goroutine
	from     string     // the sender of that transaction
	draining bool
	aborting bool
}

// replyInfo is what the session knows of the reply that go-smtp writes next.
type replyInfo struct {
	message     bool   // it is the reply to a complete message
	fromHandler bool   // the Handler has logged a refusal itself
	confirmed   func() // Reply.Confirmed
	written     func() // Reply.Written
	err         error  // the cause, for the log
	note        string // for the log: what the client is not to know
	from, to    string // for the log: the sender of MAIL, the recipient of RCPT

	lines []string // sent in place of go-smtp's text, each behind the code; nil: go-smtp's
}

func newConn(socket net.Conn, s *Server, l *listener) *conn {
	setup := s.o.Setup()
	c := &conn{
		socket:          socket,
		server:          s,
		listener:        l,
		setup:           setup,
		buf:             make([]byte, maxCommand),
		commandDeadline: time.Now().Add(setup.Limits.Greeting),
		idleDeadline:    time.Now().Add(setup.Limits.IdleTotal),
	}
	if a, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		c.client = a.AddrPort().Addr().Unmap().WithZone("")
	}
	c.network = networkName(c.client)
	c.refusal = s.admit(c)
	if c.refusal != "" {
		c.commandDeadline = time.Now().Add(lastReplyTimeout) // for a TLS handshake
	}
	return c
}

// access returns who may send on the connection's listener, and how.
func (c *conn) access() Access { return c.setup.Listeners[c.listener.ID] }

// takeSetup takes the set-up in force, unless a transaction is open, which ends with the one
// with which it began, or the set-up has the listener no more, which ends the connection soon.
// It ends the connection of a user who has another password now, or none.
func (c *conn) takeSetup() error {
	now := c.server.o.Setup()
	if _, open := now.Listeners[c.listener.ID]; c.queueID != "" || !open {
		return nil
	}
	c.setup = now
	if c.user != "" && now.byName[c.user].Password != c.password {
		return c.end("421 4.7.0 " + now.Hostname + " has a new configuration, log in again")
	}
	return nil
}

// allowed reports whether the client's network may send here.
func (c *conn) allowed() bool {
	for _, n := range c.access().Allow {
		if n.Contains(c.client) {
			return true
		}
	}
	return !c.client.IsValid() // a unix socket
}

// account names the user, or else the network, whose messages are counted together.
func (c *conn) account() string {
	if c.user != "" {
		return "user " + c.user
	}
	return c.network
}

// networkName names the network of a client.
func networkName(client netip.Addr) string {
	n := network(client)
	switch {
	case n.IsSingleIP():
		return n.Addr().String()
	case n.IsValid():
		return n.String()
	}
	return "the unix socket"
}

// beginTransaction returns false if the server is shutting down.
func (c *conn) beginTransaction(queueID, from string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining || c.aborting {
		return false
	}
	c.queueID = queueID
	c.from = from
	c.server.o.Transactions.Add(1)
	return true
}

// endTransaction ends the transaction, if there is one.
func (c *conn) endTransaction() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queueID != "" {
		c.server.o.Transactions.Add(-1)
	}
	c.queueID = ""
	c.from = ""
	c.dataStarted = nil
	c.dataDeadline = time.Time{}
}

// Close implements net.Conn. It may be called more than once.
func (c *conn) Close() error {
	c.closed = true
	err := net.ErrClosed
	c.closing.Do(func() {
		if len(c.unconfirmed) > 0 && c.awaitAcknowledgement() {
			c.confirm()
		}
		c.server.remove(c)
		err = c.socket.Close()
	})
	return err
}

// acknowledged reports whether all replies have reached the client, if the system knows.
func (c *conn) acknowledged() (known, all bool) {
	n, discarded, known := unacknowledged(c.rawSocket())
	if discarded {
		c.discarded = true
	}
	return known, n == 0 && !c.discarded
}

// awaitAcknowledgement reports whether the replies have reached the client, as far as the system
// knows. A client that reads its 250 and closes without QUIT has received it; one that has only
// half-closed gets some time.
func (c *conn) awaitAcknowledgement() bool {
	timeout := time.NewTimer(lastReplyTimeout)
	defer timeout.Stop()
	again := time.NewTicker(lastReplyTimeout / 100)
	defer again.Stop()
	for {
		known, all := c.acknowledged()
		if !known || all || c.discarded {
			return !c.discarded
		}
		select {
		case <-again.C:
		case <-timeout.C:
			return false
		}
	}
}

// rawSocket returns the socket below TLS.
func (c *conn) rawSocket() net.Conn {
	if secure, ok := c.socket.(*tls.Conn); ok {
		return secure.NetConn()
	}
	return c.socket
}

// lastReplyTimeout is how long a client may take to read its last reply.
const lastReplyTimeout = time.Second

// drain ends the connection as soon as no transaction is open. Any goroutine may call it.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.stopping() {
		_ = c.socket.SetReadDeadline(time.Now())
	}
}

// abort ends the connection as soon as Handle has returned. Any goroutine may call it.
func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborting = true
	_ = c.socket.SetReadDeadline(time.Now())
	_ = c.socket.SetWriteDeadline(time.Now().Add(lastReplyTimeout))
}

// stopping reports whether the client must get a 421 now. The caller holds mu.
func (c *conn) stopping() bool {
	return c.aborting || c.draining && c.queueID == ""
}

// log completes e and logs it.
func (c *conn) log(e Event) {
	e.Listener = c.access().Name
	e.Client = c.client
	e.QueueID = c.queueID
	e.From = cmp.Or(c.next.from, c.from)
	e.To = c.next.to
	c.server.o.Log(e)
}

// panicError makes an error of a recovered panic.
func panicError(v any) error { return fmt.Errorf("panic: %v\n%s", v, debug.Stack()) }

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.socket.LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.socket.RemoteAddr() }

// SetDeadline implements net.Conn. The deadlines are conn's own: go-smtp's have no effect.
func (c *conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn, as SetDeadline does.
func (c *conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn, as SetDeadline does.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
