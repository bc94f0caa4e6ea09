package smtpd

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener without a network, for simulated time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(t *testing.T) *client {
	near, far := net.Pipe()
	p.conns <- far
	t.Cleanup(func() { _ = near.Close() })
	return &client{TB: t, Conn: near, in: bufio.NewReader(near)}
}

// simulate runs f in simulated time with one connection to a server.
func simulate(t *testing.T, l Limits, f func(t *testing.T, h *house, c *client)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		h := openOn(t, p, Access{}, Settings{Limits: l}, &recorder{})
		f(t, h, p.dial(t))
	})
}

// pass lets simulated time pass.
func pass(d time.Duration) { <-time.After(d) }

// wantWait expects a 421 and the end of the connection, exactly so long after start.
func (c *client) wantWait(start time.Time, want time.Duration) {
	c.Helper()
	c.want("421 4.4.2 relay.test timeout exceeded", "<closed>")
	if got := time.Since(start); got != want {
		c.Errorf("cut after %v, want %v", got, want)
	}
}

// A time-out inside a message ends the connection: later data is neither content nor
// commands.
func TestDataTimeout(t *testing.T) {
	for _, start := range []string{"DATA\r\n", "BDAT 1000 LAST\r\n", "BDAT 10 LAST\r\nab"} {
		t.Run(strings.Fields(start)[0], func(t *testing.T) {
			simulate(t, Limits{DataIdle: time.Minute}, func(t *testing.T, h *house, c *client) {
				c.hello()
				c.mail()
				c.put(start)
				if start == "DATA\r\n" {
					c.want("354 ")
				}
				c.put("Sub")
				c.wantWait(time.Now(), time.Minute)
				c.send("ject\r\n.\r\n" + smuggled)
				synctest.Wait()
				if got := h.messages(); len(got) != 0 {
					t.Errorf("the Handler got %+v", got)
				}
				if e := h.all(); len(e) != 1 || e[0].Code != 421 || e[0].QueueID != "Q1" {
					t.Errorf("logged %+v", e)
				}
			})
		})
	}
}

// The time-out applies between chunks too.
func TestChunkTimeout(t *testing.T) {
	simulate(t, Limits{DataIdle: time.Minute}, func(t *testing.T, h *house, c *client) {
		c.hello()
		c.mail()
		c.put("BDAT 2\r\nab")
		c.want("250 2.0.0 Continue")
		c.wantWait(time.Now(), time.Minute)
		if len(h.messages()) != 0 {
			t.Error("handed over")
		}
	})
}

// A slow sender is served, up to DataTotal.
func TestSlowSender(t *testing.T) {
	simulate(t, Limits{}, func(t *testing.T, h *house, c *client) {
		c.begin()
		for range 7 {
			pass(4 * time.Minute)
			c.put("line\r\n")
		}
		c.say(".", "250 ")
		c.data()
		start := time.Now()
		for range 7 {
			pass(4 * time.Minute)
			c.put("line\r\n")
		}
		c.wantWait(start, 30*time.Minute)
		if len(h.messages()) != 1 {
			t.Errorf("%d messages", len(h.messages()))
		}
	})
}

// A command must be complete in time; single bytes do not extend the time.
func TestSlowCommand(t *testing.T) {
	simulate(t, Limits{IdleTotal: time.Hour}, func(t *testing.T, _ *house, c *client) {
		c.hello()
		pass(4 * time.Minute)
		c.say("NOOP", "250 ")
		start := time.Now()
		for range 4 {
			pass(time.Minute)
			c.put("M")
		}
		c.wantWait(start, 5*time.Minute)
	})
}

// Without a transaction or login a connection has a total, whatever the client sends.
func TestIdleTotal(t *testing.T) {
	commands := []string{"NOOP", "RSET", "VRFY bob", "EHLO app.test", "HELP", "MAIL FROM:<app@app.test>\r\nRSET"}
	for _, command := range commands {
		simulate(t, Limits{}, func(t *testing.T, _ *house, c *client) {
			start := time.Now()
			c.hello()
			for range 4 {
				pass(time.Minute)
				c.put(command + "\r\n")
				for line := c.line(); len(line) > 3 && line[3] == '-'; {
					line = c.line()
				}
				if strings.HasPrefix(command, "MAIL") {
					c.want("250 ")
				}
			}
			c.wantWait(start, 5*time.Minute)
		})
	}
}

// A message restarts the total, and in a transaction it does not apply.
func TestIdleTotalRestarts(t *testing.T) {
	simulate(t, Limits{}, func(t *testing.T, h *house, c *client) {
		c.hello()
		for range 3 {
			pass(4 * time.Minute)
			c.say("MAIL FROM:<app@app.test>", "250 ")
			pass(4 * time.Minute)
			c.say("RCPT TO:<bob@example.com>", "250 ")
			c.say("DATA", "354 ")
			c.say(".", "250 ")
		}
		start := time.Now()
		pass(4 * time.Minute)
		c.say("NOOP", "250 ")
		c.wantWait(start, 5*time.Minute)
		if n := len(h.messages()); n != 3 {
			t.Errorf("%d messages", n)
		}
	})
}

// A user may idle, as long as commands come.
func TestIdleTotalUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		openOn(t, p, Access{}, Settings{Users: []User{testUser(t, "bob sesame")}}, &recorder{})
		c := p.dial(t)
		c.hello()
		c.say("AUTH PLAIN AGJvYgBzZXNhbWU=", "235 ")
		for range 10 {
			pass(4 * time.Minute)
			c.say("NOOP", "250 ")
		}
		c.wantWait(time.Now(), 5*time.Minute)
	})
}

// A program that keeps its connections alive, or tests them before it uses them, is not cut off, even if a
// recipient is refused now and then.
func TestConnectionPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		users := []User{testUser(t, "bob sesame")}
		openOn(t, p, Access{}, Settings{Users: users, Limits: Limits{Errors: 10}}, &recorder{})
		c := p.dial(t)
		c.hello()
		c.say("AUTH PLAIN AGJvYgBzZXNhbWU=", "235 ")
		for range 100 {
			pass(10 * time.Second)
			c.say("NOOP", "250 ")
			c.say("RSET", "250 ")
		}
		pass(time.Minute)
		for range 20 {
			for range 15 {
				c.say("NOOP", "250 ")
			}
			c.mail()
			c.say("RCPT TO:<nobody>", "501 ")
			c.say("DATA", "354 ")
			c.say("Hello.\r\n.", "250 ")
		}
	})
}

// Commands that do not bring a transaction forward do not keep it open.
func TestIdleTransaction(t *testing.T) {
	commands := []string{"NOOP", "VRFY bob", "HELP", "RCPT TO:<a..b@example.com>", "MAIL FROM:<app@app.test>"}
	for _, command := range commands {
		simulate(t, Limits{}, func(t *testing.T, _ *house, c *client) {
			c.hello()
			c.mail()
			start := time.Now()
			for range 4 {
				pass(time.Minute)
				c.put(command + "\r\n")
				c.line()
			}
			c.wantWait(start, 5*time.Minute)
		})
	}
}

// A client that does not greet is disconnected, whatever else it sends.
func TestSlowGreeting(t *testing.T) {
	simulate(t, Limits{}, func(t *testing.T, _ *house, c *client) {
		start := time.Now()
		c.want("220 ")
		pass(40 * time.Second)
		c.say("NOOP", "250 ")
		c.wantWait(start, time.Minute)
	})
}

// A client that does not read its replies is disconnected.
func TestSlowReader(t *testing.T) {
	simulate(t, Limits{Greeting: time.Hour}, func(t *testing.T, _ *house, c *client) {
		start := time.Now()
		if _, err := c.Write([]byte("NOOP\r\n")); err == nil {
			t.Fatal("a pipe takes no command while the greeting waits")
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("dropped after %v, want a minute", got)
		}
	})
}

// Commands are accepted in single bytes, and other protocols are detected too.
func TestDribble(t *testing.T) {
	simulate(t, Limits{}, func(t *testing.T, h *house, c *client) {
		c.want("220 ")
		for _, b := range "HELO app.test\r\n" {
			c.put(string(b))
		}
		c.want("250 relay.test Hello app.test")
	})
	simulate(t, Limits{}, func(t *testing.T, h *house, c *client) {
		c.want("220 ")
		for _, b := range "GET / HT" {
			c.put(string(b))
		}
		c.want("<closed>")
		if e := h.all(); len(e) != 1 || !strings.Contains(e[0].Reason, "HTTP") {
			t.Errorf("logged %+v", e)
		}
	})
}

// Shutdown waits for a transaction until its context ends.
func TestShutdownPatience(t *testing.T) {
	simulate(t, Limits{}, func(t *testing.T, h *house, c *client) {
		c.begin()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- h.Shutdown(ctx) }()
		c.want("421 4.3.2 relay.test is shutting down", "<closed>")
		if err := <-stopped; !errors.Is(err, ctx.Err()) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
