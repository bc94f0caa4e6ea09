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

// Options say how a Server behaves. Only Handler must be set.
type Options struct {
	Hostname string           // what the server calls itself; "localhost"
	Handler  Handler          // takes over what was accepted
	Users    []User           // may send from anywhere, with a password; AUTH is offered where nobody can listen
	Limits   Limits           //
	BareLF   BareLF           // Repair
	DSN      bool             // whether DSN is offered (RFC 3461): the Handler reports what the envelope asks for
	NewID    func() string    // gives each transaction its queue id: short, printable, no white space; random letters
	Now      func() time.Time // for Envelope.Received; time.Now (time-outs always go by the sockets' own clock)
	Log      func(Event)      // is told what an administrator should know, from many goroutines; must not block; nobody
}

// Event is what an administrator should know: a refusal, a connection that was
// cut, or trouble of ours. What the Handler refused is not told again.
type Event struct {
	Listener string     // Listener.Name
	Client   netip.Addr // the zero Addr for a unix socket, or where no connection is concerned
	QueueID  string     // of the transaction, "" outside one
	Code     int        // of the reply; 0 where nothing was said to the client
	Enhanced string     // RFC 3463 status code of the reply, such as "5.7.1"
	Reason   string     // the reply's text, or what happened
	Err      error      // the cause, for the log alone; a panic comes with its stack
}

// Listener is where clients come in, and who may send there.
type Listener struct {
	net.Listener
	Name string // how the configuration calls it, such as "listeners[0]", for hints; its address

	// Allow lists the networks that may send; empty, nobody may but users. Over a unix
	// socket everybody may: the file's permissions decide. A listener on loopback
	// commonly allows 127.0.0.0/8 and ::1/128.
	Allow []netip.Prefix

	// TLS, where not nil, is offered as STARTTLS (RFC 3207). With Implicit every
	// connection begins with it instead (RFC 8314, section 3).
	TLS      *tls.Config
	Implicit bool
}

// Server serves SMTP (RFC 5321) on any number of listeners. Make it with New.
type Server struct {
	o      Options
	memory budget
	users  *users
	sent   *tally          // messages of a minute, by whose
	named  *tally          // recipients of a minute, by whose
	ctx    context.Context // of every Handle
	cancel context.CancelFunc

	stop    sync.Once
	stopped chan struct{}  // closed when, after Shutdown, the last connection has ended
	serving sync.WaitGroup // accept loops

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	protocols []*smtp.Server // one for each listener
	conns     map[*conn]struct{}
	perNet    map[netip.Prefix]int // connections of an address, as network sees it
}

// New makes a server that listens nowhere yet. It panics without a Handler.
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
		o:       o,
		stopped: make(chan struct{}),
		conns:   make(map[*conn]struct{}),
		perNet:  make(map[netip.Prefix]int),
	}
	s.sent, s.named = newTally(time.Minute), newTally(time.Minute)
	s.users = newUsers(o.Users, o.Limits)
	s.memory.left.Store(o.Limits.InFlight)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve takes connections from l until Shutdown, and then returns nil; or until l
// fails, and returns what it failed with. The server closes l.
func (s *Server) Serve(l Listener) error {
	if l.Name == "" {
		l.Name = l.Addr().String()
	}
	protocol := s.protocol(l.Name)
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		_ = l.Close()
		return fmt.Errorf("smtpd: %s: the server was shut down: %w", l.Name, net.ErrClosed)
	}
	s.serving.Add(1)
	s.listeners = append(s.listeners, l)
	s.protocols = append(s.protocols, protocol)
	s.mu.Unlock()
	defer s.serving.Done()

	err := protocol.Serve(&door{Listener: l, server: s})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil
	}
	return fmt.Errorf("smtpd: %s: %w", l.Name, err)
}

// Shutdown closes the listeners, lets no new transaction begin (421 4.3.2) and
// waits for the running ones. When ctx ends first, it ends the contexts of the
// running Handle calls, cuts every connection and returns ctx's error. Either way
// no goroutine of the server is left when it returns, so that it takes as long as
// a Handle that does not mind its context. It may be called more than once.
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
		c.cut()
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
		// Its error says only that the listener is closed already.
		_ = p.Shutdown(context.Background())
	}
	s.cancel()
	close(s.stopped)
}

// protocol makes the go-smtp server of one listener. Sizes, recipients, lines and
// times are bounded by conn and session: go-smtp refuses a message of exactly its
// limit, counts lines inside BDAT, and has one deadline for the whole of DATA.
func (s *Server) protocol(listener string) *smtp.Server {
	p := smtp.NewServer(smtp.BackendFunc(newSession))
	p.Domain = s.o.Hostname
	p.EnableSMTPUTF8 = true
	p.EnableDSN = s.o.DSN
	p.MaxLineLength = 0
	p.AllowInsecureAuth = true // session.Auth decides
	p.ErrorLog = trouble{s.o.Log, listener}
	return p
}

// admit counts c, or returns the reply that greets it instead.
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
		return fmt.Sprintf("421 4.7.0 Too many connections from %s (%d), try again later", c.client, l.ConnectionsPerAddress)
	}
	s.conns[c] = struct{}{}
	s.perNet[n]++
	return ""
}

// forget ends the count of c.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, counted := s.conns[c]; !counted {
		return
	}
	delete(s.conns, c)
	n := network(c.client)
	if s.perNet[n]--; s.perNet[n] == 0 {
		delete(s.perNet, n)
	}
}

// network is what counts as one address: a host commonly has a whole /64 of IPv6.
// It is the zero Prefix for a unix socket.
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

// door is a listener whose connections are ours.
type door struct {
	Listener
	server *Server
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	socket, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newConn(socket, d.server, &d.Listener), nil
}

// trouble is go-smtp's log: failures of Accept, and panics on the way here.
type trouble struct {
	log      func(Event)
	listener string
}

// Printf implements smtp.Logger.
func (t trouble) Printf(format string, v ...any) {
	t.log(Event{Listener: t.listener, Reason: "trouble in the SMTP server", Err: fmt.Errorf(format, v...)})
}

// Println implements smtp.Logger.
func (t trouble) Println(v ...any) { t.Printf("%s", fmt.Sprint(v...)) }
