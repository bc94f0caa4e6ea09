//go:build unix

package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/events"
	"heyrelay/test/mailbody"
)

const lifeConfig = `
hostname: relay.example.com
listeners: [{address: "127.0.0.1:0"}]
teams: {shop: {api_key: "${KEY}", rate: 6000000/min, concurrency: 64}}
routes: [{inbox: 202, creator_id: 55, attachments: drop}]
spool: {min_free: 1MB}
`

// BenchmarkLife measures the whole life of a message in one process: 32 clients on loopback, which
// keep their connections, the spool on disk, logs and metrics, and an API that costs next to
// nothing. It counts what the processor did for each message, clients included.
func BenchmarkLife(b *testing.B) {
	for _, bench := range []struct{ name, content string }{
		{"plain4K", mailbody.Plain()},
		{"alternative30K", mailbody.Alternative()},
		{"attachment1M", mailbody.Attachment()},
	} {
		b.Run(bench.name, func(b *testing.B) { runLife(b, bench.content) })
	}
}

func runLife(b *testing.B, content string) {
	const clients = 32
	api := &cheapAPI{done: make(chan struct{})}
	r, err := New(parse(b, lifeConfig), Parts{
		Store:     open(b),
		Sink:      events.Log{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
		Random:    rand.Reader,
		Transport: api,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = r.Run(ctx) })
	var all []*lifeClient
	for i := range clients {
		c := dialLife(b, r.Addrs()[0].String(), i)
		defer c.conn.Close()
		all = append(all, c)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(content)))
	b.ResetTimer()
	began := processorTime(b)
	api.left.Store(int64(b.N))
	var next atomic.Int64
	var sending sync.WaitGroup
	for _, c := range all {
		sending.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := c.send(content); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	sending.Wait()
	if !b.Failed() {
		<-api.done
	}
	b.StopTimer()
	b.ReportMetric(float64((processorTime(b)-began).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime is what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cheapAPI is an API that accepts everything.
type cheapAPI struct {
	ids, left atomic.Int64
	done      chan struct{} // closed with the last message
}

// RoundTrip implements http.RoundTripper.
func (a *cheapAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(r.Context())
	trace.GotConn(httptrace.GotConnInfo{})
	_, err := io.Copy(io.Discard, r.Body)
	trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	id := a.ids.Add(1)
	text := fmt.Sprintf(`{"id": %d, "convo_id": %d, "queued": true}`, id, 1000+id)
	if a.left.Add(-1) == 0 {
		close(a.done)
	}
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(text)),
		Request:    r,
	}, nil
}

// lifeClient is an SMTP client that costs little.
type lifeClient struct {
	conn    net.Conn
	replies *bufio.Reader
	out     []byte
	n, sent int
}

func dialLife(b *testing.B, address string, n int) *lifeClient {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	c := &lifeClient{conn: conn, replies: bufio.NewReader(conn), n: n}
	if err := c.want("220 "); err != nil {
		b.Fatal(err)
	}
	if err := c.say("250 ", "EHLO app.example.com\r\n"); err != nil {
		b.Fatal(err)
	}
	return c
}

// want reads a reply.
func (c *lifeClient) want(code string) error {
	for {
		line, err := c.replies.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !bytes.HasPrefix(line, []byte(code)) {
			return fmt.Errorf("%q, want %s", line, code)
		}
		return nil
	}
}

func (c *lifeClient) say(code, format string, args ...any) error {
	c.out = fmt.Appendf(c.out[:0], format, args...)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	return c.want(code)
}

// send sends a message to a recipient that no other has.
func (c *lifeClient) send(content string) error {
	c.sent++
	if err := c.say("250 ", "MAIL FROM:<app@example.com> SIZE=%d\r\n", len(content)+300); err != nil {
		return err
	}
	if err := c.say("250 ", "RCPT TO:<c%d-%d@example.com>\r\n", c.n, c.sent); err != nil {
		return err
	}
	if err := c.say("354 ", "DATA\r\n"); err != nil {
		return err
	}
	const header = "From: Shop <app@example.com>\r\nTo: c%d-%d@example.com\r\nSubject: Order %d\r\n" +
		"Message-ID: <%d.%d.%d@app.example.com>\r\nDate: %s\r\n%s.\r\n"
	now := time.Now()
	return c.say("250 ", header, c.n, c.sent, c.sent, now.UnixNano(), c.n, c.sent, now.Format(time.RFC1123Z), content)
}
