package smtpd

import (
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"
)

// conn is one connection as go-smtp sees it: lines in, replies out. What it says of
// a goroutine is go-smtp's for this connection; all methods are its alone, but for
// drain and cut.
type conn struct {
	net.Conn
	server   *Server
	listener *Listener
	client   netip.Addr
	refusal  string // leaves instead of the greeting, where not ""
	closing  sync.Once

	// Input. A command line must fit into buf.
	buf   []byte
	rest  []byte // in buf: what the client has sent and go-smtp has not been given
	line  []byte // in buf: what is left to give of a command line
	spoke bool   // the client's first bytes were looked at
	data  bool   // what comes is the content that follows a 354
	chunk int64  // bytes to come of a BDAT chunk

	// go-smtp begins Data for BDAT on a goroutine of its own, in its own time. Until it
	// has begun nothing is read, or it could meet a transaction that has ended, or the
	// next one.
	reading  chan struct{} // closed when Data begins; nil where go-smtp would refuse DATA and BDAT
	starting chan struct{} // is reading, after a BDAT

	// Replies.
	out    []byte   // lines of a reply whose last line is still to come
	answer answer   // set by Data, before go-smtp gets its result
	heard  []func() // are told when the client sends anything more
	over   bool     // nothing is read or written any more

	commandBy time.Time // until then a command must have come
	contentBy time.Time // until then the message must have come; zero where none is coming

	// What was said and done.
	verb       string // of the latest command, in capitals
	challenged bool   // what comes is no command but the answer to a 334
	greeted    bool   // by EHLO or HELO
	extended   bool   // by EHLO
	encrypted  bool   // by TLS
	user       string // who has authenticated, "" for nobody
	errors     int    // refused commands

	mu       sync.Mutex // also guards the exchange of Conn for a TLS one
	queueID  string     // of the open transaction, "" outside one; written only by the goroutine
	draining bool
	cutting  bool
}

// answer is what the session knows of the reply that go-smtp writes next.
type answer struct {
	handlers bool   // the words are the Handler's, who has told of a refusal itself
	heard    func() // Reply.Confirmed
	left     func() // Reply.Written
	err      error  // the cause, for the log
	note     string // more for the administrator than the client is told
}

func newConn(socket net.Conn, s *Server, l *Listener) *conn {
	c := &conn{
		Conn:      socket,
		server:    s,
		listener:  l,
		buf:       make([]byte, maxCommand),
		commandBy: time.Now().Add(s.o.Limits.Greeting),
	}
	if a, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		c.client = a.AddrPort().Addr().Unmap().WithZone("")
	}
	if c.refusal = s.admit(c); c.refusal != "" {
		c.commandBy = time.Now().Add(lastWord) // for a TLS handshake
	}
	return c
}

// allowed says whether the client's network may send here.
func (c *conn) allowed() bool {
	for _, n := range c.listener.Allow {
		if n.Contains(c.client) {
			return true
		}
	}
	return !c.client.IsValid() // a unix socket
}

// begin opens a transaction, unless the server is shutting down.
func (c *conn) begin(queueID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining || c.cutting {
		return false
	}
	c.queueID = queueID
	return true
}

// finish ends the transaction, if there is one.
func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queueID = ""
	c.reading = nil
	c.contentBy = time.Time{}
}

// Close implements net.Conn. It may be called more than once.
func (c *conn) Close() error {
	c.over = true
	err := net.ErrClosed
	c.closing.Do(func() {
		c.server.forget(c)
		err = c.Conn.Close()
	})
	return err
}

// lastWord is how long a client may take to read its last reply.
const lastWord = time.Second

// drain ends the connection as soon as no transaction is open. Any goroutine may
// call it.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.stopped() {
		_ = c.SetReadDeadline(time.Now())
	}
}

// cut ends the connection as soon as Handle has returned. Any goroutine may call it.
func (c *conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutting = true
	_ = c.SetReadDeadline(time.Now())
	_ = c.SetWriteDeadline(time.Now().Add(lastWord))
}

// stopped says that the client is to be told 421 now. The caller holds mu.
func (c *conn) stopped() bool {
	return c.cutting || c.draining && c.queueID == ""
}

// tell completes e and gives it to the administrator.
func (c *conn) tell(e Event) {
	e.Listener, e.Client, e.QueueID = c.listener.Name, c.client, c.queueID
	c.server.o.Log(e)
}

// panicked makes an error of what recover gave.
func panicked(v any) error { return fmt.Errorf("panic: %v\n%s", v, debug.Stack()) }
