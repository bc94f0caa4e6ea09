package smtpd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The reply to DATA that client programs look for is sent byte for byte.
func TestQueuedReply(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	c := h.dial(t)
	c.begin()
	c.put("Subject: hi\r\n\r\nhello\r\n.\r\n")
	if got := c.line(); got != "250 2.0.0 Ok: queued as Q1" {
		t.Errorf("got %q", got)
	}
}

func TestEnvelope(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	c := h.dial(t)
	c.begin()
	c.say(".", "250 ")
	m := h.messages()[0]
	if m.QueueID != "Q1" || m.Client != netip.MustParseAddr("127.0.0.1") || m.Hello != "app.test" ||
		m.User != "" || m.From != "app@app.test" || len(m.Rcpt) != 1 || m.Rcpt[0] != "bob@example.com" ||
		m.UTF8 || m.Received.IsZero() {
		t.Errorf("%+v", m)
	}
}

func TestConnectionLimits(t *testing.T) {
	h := open(t, Settings{Limits: Limits{Connections: 3, ConnectionsPerAddress: 2}}, &recorder{})
	first, second := h.dial(t), h.dial(t)
	first.hello()
	second.hello()
	third := h.dial(t)
	third.want("421 4.7.0 Too many connections from 127.0.0.1 (2), try again later", "<closed>")

	elsewhere := h.dialFrom(t, "127.0.0.2")
	elsewhere.hello()
	h.dialFrom(t, "127.0.0.3").want("421 4.7.0 Too many connections (3), try again later", "<closed>")

	first.say("QUIT", "221 ", "<closed>")
	h.dial(t).hello()
	if e := h.all(); len(e) != 2 || e[0].Code != 421 || e[1].Client != netip.MustParseAddr("127.0.0.3") {
		t.Errorf("logged %+v", e)
	}
	second.say("QUIT", "221 ", "<closed>")
}

// dialFrom dials from another address of the loopback network.
func (h *house) dialFrom(t *testing.T, addr string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	c, err := d.Dial("tcp", h.listener.Addr().String())
	if err != nil {
		t.Skipf("this system has no %s: %v", addr, err)
	}
	return newClient(t, c)
}

func TestNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":       "192.0.2.1/32",
		"2001:db8:1:2::3": "2001:db8:1:2::/64",
	} {
		if got := network(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if network(netip.Addr{}).IsValid() {
		t.Error("a unix socket has a network")
	}
}

func TestAllow(t *testing.T) {
	for _, test := range []struct {
		allow, client string
		want          bool
	}{
		{"127.0.0.0/8", "127.0.0.1", true},
		{"127.0.0.0/8", "172.18.0.3", false},
		{"172.18.0.3/32", "172.18.0.3", true},
		{"fe80::/10", "fe80::1", true},
		{"0.0.0.0/0", "::1", false},
	} {
		a := Access{Allow: []netip.Prefix{netip.MustParsePrefix(test.allow)}}
		setup := &Setup{Settings: Settings{Listeners: map[string]Access{"": a}}}
		c := &conn{listener: &listener{}, setup: setup, client: netip.MustParseAddr(test.client)}
		if got := c.allowed(); got != test.want {
			t.Errorf("%s in %s: %v", test.client, test.allow, got)
		}
	}
}

// An operator finds the application whose mail is refused by its addresses, also before there is a message.
func TestRefusalsNameAddresses(t *testing.T) {
	h := open(t, Settings{Limits: Limits{Recipients: 1}}, &recorder{})
	c := h.dial(t)
	c.hello()
	c.say("MAIL FROM:<big@example.com> SIZE=99999999", "552 ")
	c.say("MAIL FROM:<a@example.com>", "250 ")
	c.say("RCPT TO:<b@@example.com>", "553 ")
	c.say("RCPT TO:<b@example.com>", "250 ")
	c.say("RCPT TO:<c@example.com>", "452 ")
	c.say("FOO", "500 ")
	c.say("RSET", "250 ")
	c.say("DATA", "503 ")
	var got []string
	for _, e := range h.all() {
		got = append(got, fmt.Sprintf("%d %s %s", e.Code, e.From, e.To))
	}
	want := []string{
		"552 big@example.com ", "553 a@example.com b@@example.com", "452 a@example.com c@example.com",
		"500 a@example.com ", "503  ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// A unix socket needs no allowed networks: the file's permissions decide.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "smtp")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	h := openOn(t, l, Access{}, Settings{Limits: Limits{ConnectionsPerAddress: 1}}, &recorder{})
	for range 2 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		client := newClient(t, c)
		client.begin()
		client.say(".", "250 ")
	}
	if m := h.messages(); len(m) != 2 || m[0].Client.IsValid() {
		t.Errorf("%+v", m)
	}
}

// Memory is bounded: a message too many is temporarily refused, with SIZE at MAIL, else after
// DATA. A message that has ended releases its memory.
func TestInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := open(t, Settings{Limits: Limits{MessageSize: 1000, InFlight: 2000}}, &recorder{
		reply: func(ctx context.Context, env *Envelope) Reply {
			for _, step := range []chan struct{}{entered, leave} {
				select {
				case step <- struct{}{}:
				case <-ctx.Done(): // the test has failed
				}
			}
			return queued(env)
		},
	})
	first, second := h.dial(t), h.dialFrom(t, "127.0.0.2")
	first.begin()
	first.put("hello\r\n.\r\n")
	<-entered

	second.hello()
	second.say("MAIL FROM:<app@app.test> SIZE=1000", "452 4.3.1 Too many messages in progress")
	second.data()
	second.say("hello\r\nQUIT\r\n.", "452 4.3.1 Too many messages in progress")

	<-leave
	first.want("250 ")
	second.data()
	second.put("hello\r\n.\r\n")
	<-entered
	<-leave
	second.want("250 ")
	if used := h.memory.used; used != 0 {
		t.Errorf("%d bytes used", used)
	}
}

// TestTransactions counts those that are open, however they end.
func TestTransactions(t *testing.T) {
	var h *house
	count := func(when string, want int64) {
		t.Helper()
		if n := h.o.Transactions.Load(); n != want {
			t.Errorf("%s: %d transactions are open, want %d", when, n, want)
		}
	}
	h = open(t, Settings{}, &recorder{reply: func(_ context.Context, env *Envelope) Reply {
		count("in the handler", 1)
		return queued(env)
	}})
	c := h.dial(t)
	c.hello()
	count("after EHLO", 0)
	c.mail()
	count("after RCPT", 1)
	c.say("RSET", "250 ")
	count("after RSET", 0)
	c.data()
	c.say("hello\r\n.", "250 ")
	c.say("NOOP", "250 ")
	count("after the message", 0)
	c.data()
	c.put("half")
	_ = c.Close()
	quits, lost := h.dial(t), h.dial(t)
	quits.hello()
	quits.mail()
	quits.say("QUIT", "221 ")
	lost.hello()
	lost.mail()
	_ = lost.Close()
	h.stop(t)
	count("after all connections have ended", 0)
}

// A message that was refused, truncated or repaired releases its memory too.
func TestMemoryReturns(t *testing.T) {
	handler := &recorder{reply: func(context.Context, *Envelope) Reply { panic("no") }}
	h := open(t, Settings{Limits: Limits{MessageSize: 1000}}, handler)
	c := h.dial(t)
	c.begin()
	c.say("a\nb\r\n.", "451 ")
	c.data()
	c.say(strings.Repeat("x", 1001)+"\r\n.", "552 ")
	c.mail()
	c.put("BDAT 5\r\nhello")
	c.want("250 ")
	c.say("RSET", "250 ")
	c.data()
	c.put("half")
	_ = c.Close()
	h.stop(t)
	if used := h.memory.used; used != 0 || len(h.memory.held) != 0 {
		t.Errorf("%d bytes used", used)
	}
}

func TestConfirmed(t *testing.T) {
	var heard atomic.Int32
	h := open(t, Settings{}, &recorder{reply: func(_ context.Context, env *Envelope) Reply {
		r := queued(env)
		r.Confirmed = func() { heard.Add(1) }
		return r
	}})
	deliver := func(c *client, content string) {
		c.data()
		c.put(content)
		c.want("250 2.0.0 Ok")
		if n := heard.Load(); n != 0 {
			t.Errorf("heard %d times before the client said anything", n)
		}
	}
	t.Run("once", func(t *testing.T) {
		c := h.dial(t)
		c.hello()
		deliver(c, ".\r\n")
		c.say("NOOP", "250 ")
		c.say("NOOP", "250 ")
		c.say("QUIT", "221 ", "<closed>")
		if n := heard.Swap(0); n != 1 {
			t.Errorf("heard %d times", n)
		}
	})
	t.Run("sent ahead", func(t *testing.T) { // pipelined commands do not show that the reply was received
		c := h.dial(t)
		c.hello()
		deliver(c, ".\r\nNOOP\r\n")
		c.want("250 ")
		if n := heard.Load(); n != 0 {
			t.Errorf("heard %d times", n)
		}
		c.say("QUIT", "221 ", "<closed>")
		if n := heard.Swap(0); n != 1 {
			t.Errorf("heard %d times", n)
		}
	})
	t.Run("closed without QUIT", func(t *testing.T) { // it has read the reply
		c := h.dial(t)
		c.hello()
		deliver(c, ".\r\n")
		_ = c.Close()
		h.stop(t)
		if n := heard.Swap(0); n != 1 {
			t.Errorf("heard %d times", n)
		}
	})
}

// A panic in Confirmed or Written does not end the process.
func TestCallbacksPanic(t *testing.T) {
	h := open(t, Settings{}, &recorder{reply: func(_ context.Context, env *Envelope) Reply {
		r := queued(env)
		r.Confirmed, r.Written = func() { panic("inner") }, func() { panic("outer") }
		return r
	}})
	c := h.dial(t)
	c.begin()
	c.say(".", "250 ")
	c.say("NOOP", "250 ")
	logged := ""
	for _, e := range h.all() {
		logged += fmt.Sprintln(e.Reason, e.Err)
	}
	if !strings.Contains(logged, "Confirmed panic: inner") || !strings.Contains(logged, "Written panic: outer") {
		t.Errorf("logged %s", logged)
	}
}

// Written is called when the reply was written, and not when that failed.
func TestWritten(t *testing.T) {
	for name, want := range map[string]int32{"written": 1, "not written": 0} {
		t.Run(name, func(t *testing.T) {
			var left atomic.Int32
			l := &cuttable{}
			h := openOn(t, l.listen(t), Access{Allow: loopback}, Settings{}, &recorder{
				reply: func(context.Context, *Envelope) Reply {
					l.cut.Store(want == 0)
					return Reply{Code: 554, Enhanced: "5.6.0", Text: "no", Written: func() { left.Add(1) }}
				},
			})
			c := h.dial(t)
			c.begin()
			c.put(".\r\n")
			if want == 1 {
				c.want("554 5.6.0 no")
			} else {
				c.want("<closed>")
			}
			h.stop(t)
			if n := left.Load(); n != want {
				t.Errorf("left %d times, want %d", n, want)
			}
		})
	}
}

// cuttable is a listener on whose connections writes fail once it is cut.
type cuttable struct {
	net.Listener
	cut atomic.Bool
}

func (l *cuttable) listen(t *testing.T) *cuttable {
	t.Helper()
	var err error
	l.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *cuttable) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return cutConn{c, l}, err
}

type cutConn struct {
	net.Conn
	l *cuttable
}

func (c cutConn) Write(p []byte) (int, error) {
	if c.l.cut.Load() {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// A panic outside the Handler ends one connection and is logged with its stack.
func TestPanic(t *testing.T) {
	h := open(t, Settings{}, &recorder{}, func() string { panic("no ids left") })
	c := h.dial(t)
	c.hello()
	c.say("MAIL FROM:<app@app.test>", "421 4.0.0 Internal server error", "<closed>")
	h.dial(t).hello()
	h.stop(t) // go-smtp logs after it has closed
	var logged string
	for _, e := range h.all() {
		if e.Err != nil {
			logged += e.Err.Error()
		}
	}
	if !strings.Contains(logged, "no ids left") || !strings.Contains(logged, "session.go") {
		t.Errorf("logged %q", logged)
	}
}

// The error of a failed listener contains its name, and the server can still stop.
func TestListenerFails(t *testing.T) {
	s := New(Options{Setup: always(Settings{
		Handler:   &recorder{},
		Listeners: map[string]Access{"": {Name: "listeners[3]"}},
	})})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	err = s.Serve(Listener{Listener: l})()
	if err == nil || !strings.Contains(err.Error(), "listeners[3]") {
		t.Errorf("Serve: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Concurrent sessions do not mix.
func TestParallel(t *testing.T) {
	h := open(t, Settings{}, &recorder{})
	var clients sync.WaitGroup
	for i := range 20 {
		c := h.dial(t)
		clients.Go(func() {
			c.want("220 ")
			c.put("HELO app.test\r\n")
			for j := range 10 {
				c.put(fmt.Sprintf("MAIL FROM:<a%d-%d@app.test>\r\nRCPT TO:<b%[1]d-%d@example.com>\r\n", i, j))
				c.put(fmt.Sprintf("BDAT 9\r\nsubject: BDAT 7 LAST\r\n%03d-%03d", i, j))
			}
			c.put("QUIT\r\n")
			for c.line() != "<closed>" {
			}
		})
	}
	clients.Wait()
	all := h.messages()
	if len(all) != 200 {
		t.Fatalf("%d messages", len(all))
	}
	for _, m := range all {
		var i, j int
		if _, err := fmt.Sscanf(m.raw, "subject: %d-%d", &i, &j); err != nil {
			t.Fatalf("%q: %v", m.raw, err)
		}
		from, to := fmt.Sprintf("a%d-%d@app.test", i, j), fmt.Sprintf("b%d-%d@example.com", i, j)
		if m.From != from || len(m.Rcpt) != 1 || m.Rcpt[0] != to {
			t.Errorf("mixed: %+v", m)
		}
	}
}

// IPv6 clients are served and identified by their address.
func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip(err)
	}
	h := openOn(t, l, Access{Allow: loopback}, Settings{}, &recorder{})
	c := h.dial(t)
	c.begin()
	c.say(".", "250 ")
	m := h.messages()[0]
	if m.Client != netip.MustParseAddr("::1") || !strings.Contains(string(m.Trace("relay.test")), "([IPv6:::1])") {
		t.Errorf("%+v", m)
	}
}
