package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what clients send.
type load struct {
	Clients       int    `help:"Clients that send at the same time." default:"32"`
	Messages      int    `help:"Messages in all." default:"4000"`
	PerConnection int    `help:"Messages of a connection. 0: each client keeps one." default:"0"`
	Body          string `help:"4KB (plain), 30KB (alternative), 1MB (attachment), or a folder of *.eml." default:"4KB"`
	PerMinute     int    `help:"Messages a minute. 0: as fast as they are accepted." default:"0"`
}

// accepted is how a server took a load.
type accepted struct {
	began     time.Time
	ids       []string        // of the messages that were accepted
	latencies []time.Duration // of them, sorted: from MAIL, or the connection if it is new, to the 250
	refused   int             // messages refused permanently
	deferred  int             // replies 4yz, after which the message was sent again
}

// pause is how long a client waits after a reply 4yz.
const pause = 50 * time.Millisecond

// send sends a load to a server, and returns how it was taken. Messages that are deferred are sent again;
// an error is whatever keeps a client from going on. Ids begin with the prefix.
func send(ctx context.Context, address string, l load, prefix string) (accepted, error) {
	m, err := newMailer(l.Body)
	if err != nil {
		return accepted{}, err
	}
	s := &sender{load: l, mailer: m, address: address, prefix: prefix, began: time.Now()}
	parts := make([]accepted, l.Clients)
	errs := make([]error, l.Clients)
	var clients sync.WaitGroup
	for c := range l.Clients {
		clients.Go(func() { errs[c] = s.run(ctx, &parts[c]) })
	}
	clients.Wait()
	all := accepted{began: s.began}
	for _, p := range parts {
		all.ids = append(all.ids, p.ids...)
		all.latencies = append(all.latencies, p.latencies...)
		all.refused += p.refused
		all.deferred += p.deferred
	}
	slices.Sort(all.latencies)
	return all, first(errs)
}

// first returns the first error that is one: what stops a client usually stops them all.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// sender is what the clients of a load share.
type sender struct {
	load
	*mailer
	address, prefix string
	began           time.Time
	next            atomic.Int64 // message
}

// run is one client: it sends the next message until there is none.
func (s *sender) run(ctx context.Context, a *accepted) error {
	var c *client
	defer func() { c.quit() }()
	for ctx.Err() == nil {
		n := int(s.next.Add(1)) - 1
		if n >= s.Messages {
			return nil
		}
		if err := s.await(ctx, n); err != nil {
			return err
		}
		began := time.Now()
		var err error
		if c == nil {
			c, err = dial(ctx, s.address)
		} else if s.PerConnection > 0 && c.sent >= s.PerConnection {
			c.quit()
			began = time.Now()
			c, err = dial(ctx, s.address)
		}
		if err != nil {
			return err
		}
		if err := s.one(ctx, c, n, began, a); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// await waits until message n is due.
func (s *sender) await(ctx context.Context, n int) error {
	if s.PerMinute == 0 {
		return nil
	}
	due := s.began.Add(time.Duration(n) * time.Minute / time.Duration(s.PerMinute))
	return wait(ctx, time.Until(due))
}

// one sends message n until it is accepted or refused.
func (s *sender) one(ctx context.Context, c *client, n int, began time.Time, a *accepted) error {
	id := fmt.Sprintf("%s-%d", s.prefix, n)
	head, rest := s.message(n, id)
	for {
		err := c.transaction(id+"@"+domain, head, rest)
		var r refusal
		switch {
		case err == nil:
			a.ids = append(a.ids, id)
			a.latencies = append(a.latencies, time.Since(began))
			return nil
		case !errors.As(err, &r) || r[0] != '4' && r[0] != '5':
			return err
		case r[0] == '5':
			a.refused++
			return c.reset()
		}
		a.deferred++
		if err := errors.Join(c.reset(), wait(ctx, pause)); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// client speaks SMTP at as little cost as possible, so that the server is measured.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	size bool // the server takes the size of a message with MAIL (RFC 1870)
	sent int  // messages
}

// refusal is a reply that was not expected.
type refusal string

// Error is the reply.
func (r refusal) Error() string { return string(r) }

// patience is how long a server may be silent.
const patience = time.Minute

func dial(ctx context.Context, address string) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReader(conn)}
	if err := errors.Join(c.expect('2'), c.command('2', "EHLO load.example\r\n")); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// mail returns the command that begins a message, with its size where the server takes that.
func (c *client) mail(size int) string {
	if !c.size {
		return "MAIL FROM:<app@example.com>\r\n"
	}
	return fmt.Sprintf("MAIL FROM:<app@example.com> SIZE=%d\r\n", size)
}

// transaction sends a message from RFC 5321's MAIL to the final dot.
func (c *client) transaction(to string, head, rest []byte) error {
	c.sent++
	err := c.command('2', c.mail(len(head)+len(rest)))
	if err != nil {
		return err
	}
	err = c.command('2', "RCPT TO:<"+to+">\r\n")
	if err != nil {
		return err
	}
	err = c.command('3', "DATA\r\n")
	if err != nil {
		return err
	}
	parts := net.Buffers{head, rest}
	if _, err := parts.WriteTo(c.conn); err != nil {
		return err
	}
	return c.expect('2')
}

func (c *client) reset() error { return c.command('2', "RSET\r\n") }

// command sends a command and reads the reply, which must begin with a digit.
func (c *client) command(digit byte, line string) error {
	if _, err := c.conn.Write([]byte(line)); err != nil {
		return err
	}
	return c.expect(digit)
}

func (c *client) expect(digit byte) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) < 4 {
			return fmt.Errorf("%q is no reply", line)
		}
		c.size = c.size || bytes.HasPrefix(line[4:], []byte("SIZE"))
		switch {
		case line[3] == '-':
			continue
		case line[0] != digit:
			return refusal(strings.TrimSpace(string(line)))
		}
		return nil
	}
}

// quit ends the connection, if there is one.
func (c *client) quit() {
	if c == nil {
		return
	}
	_ = c.command('2', "QUIT\r\n") // every message has its reply
	_ = c.conn.Close()
}

// percentile returns the latency that a share of all does not exceed, 0 if there are none. The latencies
// are sorted.
func percentile(latencies []time.Duration, share float64) time.Duration {
	if len(latencies) == 0 {
		return 0
	}
	return latencies[min(int(share*float64(len(latencies))), len(latencies)-1)]
}

type sendCmd struct {
	Address string `arg:"" help:"host:port of the server."`
	load    `embed:""`
}

// Run sends, and prints how the server took it.
func (c sendCmd) Run(ctx context.Context) error {
	a, err := send(ctx, c.Address, c.load, newPrefix())
	took := time.Since(a.began)
	fmt.Printf("%d accepted in %v (%.0f/s), %d refused, %d deferred\n",
		len(a.ids), took.Round(time.Millisecond), float64(len(a.ids))/took.Seconds(), a.refused, a.deferred)
	for _, p := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}} {
		fmt.Printf("%s %v\n", p.name, percentile(a.latencies, p.share).Round(time.Microsecond))
	}
	return err
}
