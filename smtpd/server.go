package smtpd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Options configure a Server. Only Handler is required.
type Options struct {
	Hostname string  // the server's name in its replies: "localhost"
	Handler  Handler // processes accepted messages
	Users    []User  // may send from anywhere; AUTH is offered where passwords cannot be intercepted
	Limits   Limits  //
	BareLF   BareLF  // Repair
	DSN      bool    // offer DSN (RFC 3461): the Handler reports what the envelope requests

	// Alias returns where mail to a recipient goes; ok is false for a local one that it
	// does not know. A recipient without a domain is one of localhost. nil: each recipient
	// is as written, and has a domain.
	Alias func(recipient string) (to string, ok bool)

	// Relay begins the transaction at the next hop, if the client's mail is passed on to
	// one. It may set relayed to nil and refuse the sender, or set both to nil: then the
	// Handler gets the message. nil: nothing is passed on.
	Relay func(ctx context.Context, env *Envelope) (relayed Relayed, refusal *Reply)

	NewID func() string    // makes the queue id of a transaction: short, printable, no white space; random letters
	Now   func() time.Time // for Envelope.Received: time.Now (time-outs always use the sockets' own clock)
	Log   func(Event)      // receives events, from many goroutines; must not block: none
}

// Event is what an administrator should know: a refusal, a closed connection, or an
// internal error. What the Handler refused is not repeated here.
type Event struct {
	Listener string     // Listener.Name
	Client   netip.Addr // the zero Addr for a unix socket, or without a connection
	QueueID  string     // of the transaction, "" outside one
	Debug    bool       // neither of these, but a detail that explains other events
	Code     int        // of the reply; 0 if the client got none
	Enhanced string     // RFC 3463 status code of the reply, such as "5.7.1"
	Reason   string     // the reply's text, or what happened
	Err      error      // the cause, for the log only; a panic includes its stack
}

// Listener is an address on which clients connect, and who may send there.
type Listener struct {
	net.Listener
	Name string // its name in the configuration, such as "listeners[0]"; default: its address

	// Key, if not nil, returns what the operator calls the listener's "allow" or "tls", for
	// hints in the log. Default: Name, a dot and the argument.
	Key func(of string) string

	// Allow lists the networks that may send without authentication. If it is empty, only
	// users may send. Everybody may send over a unix socket, where the permissions of the
	// file decide. A listener on loopback usually allows 127.0.0.0/8 and ::1/128.
	Allow []netip.Prefix

	// TLS, if not nil, is offered as STARTTLS (RFC 3207). With Implicit, every connection
	// starts with TLS instead (RFC 8314, section 3).
	TLS      *tls.Config
	Implicit bool
}

// key returns what the operator calls a part of the listener's configuration.
func (l *Listener) key(of string) string {
	if l.Key == nil {
		return l.Name + "." + of
	}
	return l.Key(of)
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
	listeners []net.Listener
	protocols []*smtp.Server // one for each listener
	conns     map[*conn]struct{}
	perNet    map[netip.Prefix]int // number of connections, by network
}

// New creates a server without listeners. It panics if there is no Handler.
func New(o Options) *Server {
	if o.Handler == nil {
		panic("smtpd: Options.Handler is nil")
	}
	if o.Hostname == "" {
		o.Hostname = "localhost"
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
	o.Limits = o.Limits.orDefaults()
	s := &Server{
		o:             o,
		memory:        newMemory(o.Limits),
		users:         newUsers(o.Users, o.Limits),
		messageRate:   newWindowCounter(time.Minute),
		recipientRate: newWindowCounter(time.Minute),
		stopped:       make(chan struct{}),
		conns:         make(map[*conn]struct{}),
		perNet:        make(map[netip.Prefix]int),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections from l until Shutdown, and then returns nil, or until l fails,
// and returns that error. The server closes l.
func (s *Server) Serve(l Listener) error {
	if l.Name == "" {
		l.Name = l.Addr().String()
	}
	protocol := s.protocol(l.Name)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		_ = l.Close()
		return fmt.Errorf("smtpd: %s: server is shut down: %w", l.Name, net.ErrClosed)
	}
	s.serving.Add(1)
	s.listeners = append(s.listeners, l)
	s.protocols = append(s.protocols, protocol)
	s.mu.Unlock()
	defer s.serving.Done()

	err := protocol.Serve(&listener{settings: &l, server: s})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil
	}
	return fmt.Errorf("smtpd: %s: %w", l.Name, err)
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
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	s.serving.Wait()
	for _, p := range s.protocols {
		// Its error only reports that the listener is already closed.
		_ = p.Shutdown(context.Background())
	}
	s.cancel()
	close(s.stopped)
}

// protocol creates the go-smtp server of one listener. conn and session enforce the limits
// on sizes, recipients, lines and times: go-smtp refuses a message of exactly its limit,
// limits lines inside BDAT, and has a single deadline for the whole of DATA.
func (s *Server) protocol(listener string) *smtp.Server {
	p := smtp.NewServer(smtp.BackendFunc(newSession))
	p.Domain = s.o.Hostname
	p.EnableSMTPUTF8 = true
	p.EnableDSN = s.o.DSN
	p.MaxLineLength = 0
	p.AllowInsecureAuth = true // session.Auth decides
	p.ErrorLog = errorLog{s.o.Log, listener}
	return p
}

// admit counts c. If it is one too many, admit returns the reply that replaces the greeting.
func (s *Server) admit(c *conn) (refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, l := network(c.client), s.o.Limits
	switch {
	case s.draining:
		return "421 4.3.2 " + s.o.Hostname + " is shutting down, try again later"
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
	settings *Listener
	server   *Server
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	socket, err := l.settings.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(socket, l.server, l.settings), nil
}

// Close implements net.Listener.
func (l *listener) Close() error { return l.settings.Close() }

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.settings.Addr() }

// errorLog is go-smtp's log: failures of Accept, and panics that it recovered.
type errorLog struct {
	log      func(Event)
	listener string
}

// Printf implements smtp.Logger.
func (l errorLog) Printf(format string, v ...any) {
	l.log(Event{Listener: l.listener, Reason: "SMTP server error", Err: fmt.Errorf(format, v...)})
}

// Println implements smtp.Logger.
func (l errorLog) Println(v ...any) { l.Printf("%s", fmt.Sprint(v...)) }
