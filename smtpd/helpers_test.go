package smtpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// message is what a Handler got.
type message struct {
	Envelope
	raw string
}

// recorder is a Handler that records messages.
type recorder struct {
	forget bool
	reply  func(ctx context.Context, env *Envelope) Reply // queued where nil

	mu   sync.Mutex
	mail []message
}

func (r *recorder) Handle(ctx context.Context, env *Envelope, raw []byte) Reply {
	if !r.forget {
		r.mu.Lock()
		r.mail = append(r.mail, message{*env, string(raw)})
		r.mu.Unlock()
	}
	if r.reply != nil {
		return r.reply(ctx, env)
	}
	return queued(env)
}

func (r *recorder) messages() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mail)
}

func queued(env *Envelope) Reply {
	return Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as " + env.QueueID}
}

// journal records events.
type journal struct {
	mu     sync.Mutex
	events []Event
}

func (j *journal) log(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) all() []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// count returns a NewID that numbers queue ids: Q1, Q2, …
func count() func() string {
	var mu sync.Mutex
	n := 0
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		n++
		return fmt.Sprint("Q", n)
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// house is a running server.
type house struct {
	*Server
	*recorder
	*journal
	listener net.Listener
	access   Access
	setup    atomic.Pointer[Setup]
	served   chan error
}

// use has the server use other settings.
func (h *house) use(s Settings) {
	s.Hostname, s.Handler = "relay.test", h.recorder
	if s.Listeners == nil {
		s.Listeners = map[string]Access{"": h.access}
	}
	h.setup.Store(NewSetup(s))
}

// always is the Options.Setup of a server whose settings do not change.
func always(s Settings) func() *Setup {
	setup := NewSetup(s)
	return func() *Setup { return setup }
}

// open starts a server on a free loopback port; it stops when the test ends.
func open(t testing.TB, s Settings, handler *recorder, newID ...func() string) *house {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, l, Access{Name: "listeners[0]", Allow: loopback}, s, handler, newID...)
}

func openOn(
	t testing.TB, l net.Listener, a Access, s Settings, handler *recorder, newID ...func() string,
) *house {
	t.Helper()
	h := &house{recorder: handler, journal: &journal{}, listener: l, access: a, served: make(chan error, 1)}
	h.use(s)
	h.Server = New(Options{Setup: h.setup.Load, Log: h.log, NewID: append(newID, count())[0]})
	wait := h.Serve(Listener{Listener: l})
	go func() { h.served <- wait() }()
	t.Cleanup(func() {
		h.stop(t)
		if err := <-h.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

// stop shuts the server down and closes the remaining connections.
func (h *house) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Shutdown(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}

// client is the other end of a connection.
type client struct {
	testing.TB
	net.Conn
	in       *bufio.Reader
	patience time.Duration // with a reply; 0: no end
}

func (h *house) dial(t testing.TB) *client {
	t.Helper()
	c, err := net.Dial("tcp", h.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, c)
}

func newClient(t testing.TB, c net.Conn) *client {
	if err := c.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &client{TB: t, Conn: c, in: bufio.NewReader(c), patience: 10 * time.Second}
}

// put sends s as it is.
func (c *client) put(s string) {
	c.Helper()
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.Fatalf("sending %.40q: %v", s, err)
	}
}

// say sends a line and expects replies with these prefixes.
func (c *client) say(line string, replies ...string) {
	c.Helper()
	c.put(line + "\r\n")
	c.want(replies...)
}

func (c *client) want(replies ...string) {
	c.Helper()
	for _, want := range replies {
		if got := c.line(); !strings.HasPrefix(got, want) || want == "" {
			c.Fatalf("got %q, want %q", got, want)
		}
	}
}

// line reads a line; at the end of the connection it returns "<closed>", and "<silence>" where none comes.
func (c *client) line() string {
	if c.patience > 0 {
		_ = c.SetReadDeadline(time.Now().Add(c.patience)) // reading fails where this does
	}
	line, err := c.in.ReadString('\n')
	if err == nil {
		return strings.TrimSuffix(line, "\r\n")
	}
	if errors.Is(err, context.DeadlineExceeded) || line != "" {
		return fmt.Sprintf("<%v after %q>", err, line)
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return "<silence>"
	}
	return "<closed>"
}

// hello sends EHLO and reads the whole reply.
func (c *client) hello() {
	c.Helper()
	c.want("220 ")
	c.put("EHLO app.test\r\n")
	for {
		line := c.line()
		if !strings.HasPrefix(line, "250") {
			c.Fatalf("EHLO: %q", line)
		}
		if line[3] == ' ' {
			return
		}
	}
}

// begin greets and opens a transaction up to DATA.
func (c *client) begin() {
	c.Helper()
	c.hello()
	c.data()
}

// data opens a transaction up to DATA.
func (c *client) data() {
	c.Helper()
	c.mail()
	c.say("DATA", "354 ")
}

// mail opens a transaction.
func (c *client) mail() {
	c.Helper()
	c.say("MAIL FROM:<app@app.test>", "250 ")
	c.say("RCPT TO:<bob@example.com>", "250 ")
}

// drained half-closes and waits until the server has closed.
func (c *client) drained() {
	c.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.Fatal(err)
	}
	for line := c.line(); line != "<closed>"; line = c.line() {
		if line == "<silence>" {
			c.Fatal("the server does not close")
		}
	}
}
