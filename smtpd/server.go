package smtpd

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
)

// Options configure a Server. Only Setup is required.
type Options struct {
	// Setup returns the set-up in force. It is called for each connection and for each command
	// outside a transaction, from many goroutines.
	Setup func() *Setup

	NewID func() string    // makes the queue id of a transaction: short, printable, no white space; random letters
	Now   func() time.Time // for Envelope.Received: time.Now (time-outs always use the sockets' own clock)
	Log   func(Event)      // receives events, from many goroutines; must not block: none

	// Transactions is kept at the number of open transactions, those whose message is being handled included.
	Transactions *atomic.Int64
}

// Event is what an administrator should know: a refusal, a closed connection, or an
// internal error. What the Handler refused is not repeated here.
type Event struct {
	Listener string     // Access.Name
	Client   netip.Addr // the zero Addr for a unix socket, or without a connection
	QueueID  string     // of the transaction, "" outside one
	From     string     // the sender of the transaction, or of a MAIL that was refused
	To       string     // the recipient of a RCPT that was refused
	Debug    bool       // neither of these, but a detail that explains other events
	Lost     bool       // the client closed the connection within a message, which was not accepted
	Closed   bool       // the connection was closed without a reply, because of what the client sent
	Code     int        // of the reply; 0 if the client got none
	Enhanced string     // RFC 3463 status code of the reply, such as "5.7.1"; "" if it is Reply.Lines
	Reason   string     // the reply's text, or what happened
	Err      error      // the cause, for the log only; a panic includes its stack
}

// Listener is a socket on which clients connect. Settings.Listeners says who may send there.
type Listener struct {
	net.Listener
	ID string // of Settings.Listeners
}

// Server serves SMTP (RFC 5321) on any number of listeners. Create it with New.
type Server struct {
	o             Options
	memory        *memory
	users         *users
	messageRate   *windowCounter  // of a minute, by account
	recipientRate *windowCounter  // of a minute, by account
	ctx           context.Context // of every Handle
	cancel        context.CancelFunc

	stop    sync.Once
	stopped chan struct{}  // closed after Shutdown when the last connection has ended
	serving sync.WaitGroup // accept loops

	mu        sync.Mutex
	draining  bool
	listeners map[*listener]struct{}
	conns     map[*conn]struct{}
	perNet    map[netip.Prefix]int // number of connections, by network
}

// New creates a server without listeners. It panics if there is no Setup.
func New(o Options) *Server {
	if o.Setup == nil {
		panic("smtpd: Options.Setup is nil")
	}
	if o.NewID == nil {
		o.NewID = rand.Text
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(Event) {}
	}
	if o.Transactions == nil {
		o.Transactions = new(atomic.Int64)
	}
	s := &Server{
		o:             o,
		memory:        newMemory(),
		users:         newUsers(),
		messageRate:   newWindowCounter(),
		recipientRate: newWindowCounter(),
		stopped:       make(chan struct{}),
		listeners:     make(map[*listener]struct{}),
		conns:         make(map[*conn]struct{}),
		perNet:        make(map[netip.Prefix]int),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve begins to accept connections from l, until Retire or Shutdown, or until l fails. wait
// returns nil after the connections have ended, or at once the error of l. The server closes l.
func (s *Server) Serve(l Listener) (wait func() error) {
	accepting := s.accepting(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		_ = l.Close()
		err := fmt.Errorf("smtpd: %s: server is shut down: %w", accepting.name(), net.ErrClosed)
		return func() error { return err }
	}
	s.listeners[accepting] = struct{}{}
	ended := make(chan error, 1)
	s.serving.Go(func() { ended <- s.accept(accepting) })
	return func() error { return <-ended }
}

// accept is Serve's loop.
func (s *Server) accept(l *listener) error {
	err := l.protocol.Serve(l)
	s.mu.Lock()
	inOrder := s.draining || l.retired
	s.mu.Unlock()
	if !inOrder {
		return fmt.Errorf("smtpd: %s: %w", l.name(), err)
	}
	s.wait(l)
	return nil
}

// Retire closes the listener of an ID and its connections: each as soon as no transaction is
// open, with 421 4.3.2. It waits for none of them.
func (s *Server) Retire(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		if l.ID == id {
			l.retired = true
			_ = l.Close()
		}
	}
	for c := range s.conns {
		if c.listener.retired {
			c.drain()
		}
	}
}

// wait waits until the connections of a closed listener have ended, and forgets it.
func (s *Server) wait(l *listener) {
	_ = l.protocol.Shutdown(context.Background()) // its error only reports that the listener is already closed
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// Shutdown closes the listeners, refuses new transactions (421 4.3.2) and waits for the
// running ones. If ctx ends first, it cancels the contexts of the running Handle calls,
// closes all connections and returns ctx's error. Either way no goroutine of the server
// remains when it returns, so it lasts as long as a Handle that ignores its context. It may
// be called more than once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop.Do(func() { go s.drain() })
	select {
	case <-s.stopped:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	for c := range s.conns {
		c.abort()
	}
	s.mu.Unlock()
	<-s.stopped
	return ctx.Err()
}

// drain ends the accept loops and the idle connections, and waits for the rest.
func (s *Server) drain() {
	s.mu.Lock()
	s.draining = true
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	s.serving.Wait()
	for l := range maps.Clone(s.listeners) { // those that failed
		s.wait(l)
	}
	s.cancel()
	close(s.stopped)
}

// accepting creates the go-smtp server of one listener. conn and session enforce the limits
// on sizes, recipients, lines and times: go-smtp refuses a message of exactly its limit,
// limits lines inside BDAT, and has a single deadline for the whole of DATA. What depends on
// the set-up, conn changes in go-smtp's replies.
func (s *Server) accepting(l Listener) *listener {
	p := smtp.NewServer(smtp.BackendFunc(newSession))
	p.Domain = nameless
	p.EnableSMTPUTF8 = true
	p.EnableDSN = true
	p.MaxLineLength = 0
	p.AllowInsecureAuth = true // session.Auth decides
	accepting := &listener{Listener: l, server: s, protocol: p}
	p.ErrorLog = errorLog{accepting}
	return accepting
}

// admit counts c. If it is one too many, admit returns the reply that replaces the greeting.
func (s *Server) admit(c *conn) (refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, l := network(c.client), c.setup.Limits
	_, open := c.setup.Listeners[c.listener.ID]
	switch {
	case s.draining || c.listener.retired || !open:
		return "421 4.3.2 " + c.setup.Hostname + " is shutting down, try again later"
	case len(s.conns) >= l.Connections:
		return fmt.Sprintf("421 4.7.0 Too many connections (%d), try again later", l.Connections)
	case n.IsValid() && s.perNet[n] >= l.ConnectionsPerAddress:
		limit := l.ConnectionsPerAddress
		return fmt.Sprintf("421 4.7.0 Too many connections from %s (%d), try again later", c.client, limit)
	}
	s.conns[c] = struct{}{}
	s.perNet[n]++
	return ""
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// remove ends the count of c.
func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, counted := s.conns[c]; !counted {
		return
	}
	delete(s.conns, c)
	n := network(c.client)
	s.perNet[n]--
	if s.perNet[n] == 0 {
		delete(s.perNet, n)
	}
}

// network returns what counts as one address: a host usually has a whole /64 of IPv6. It
// returns the zero Prefix for a unix socket.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	n, err := a.Prefix(bits)
	if err != nil { // the zero Addr
		return netip.Prefix{}
	}
	return n
}

// listener is the net.Listener that go-smtp accepts from: it returns a conn for each socket.
type listener struct {
	Listener
	server   *Server
	protocol *smtp.Server
	retired  bool // guarded by Server.mu
}

// name is the listener's name in the configuration in force.
func (l *listener) name() string {
	return cmp.Or(l.server.o.Setup().Listeners[l.ID].Name, l.Addr().String())
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	socket, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(socket, l.server, l), nil
}

// errorLog is go-smtp's log: failures of Accept, and panics that it recovered.
type errorLog struct{ *listener }

// Printf implements smtp.Logger.
func (l errorLog) Printf(format string, v ...any) {
	l.server.o.Log(Event{Listener: l.name(), Reason: "SMTP server error", Err: fmt.Errorf(format, v...)})
}

// Println implements smtp.Logger.
func (l errorLog) Println(v ...any) { l.Printf("%s", fmt.Sprint(v...)) }
