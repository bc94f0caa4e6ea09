package heymarket_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/heymarket"
)

// TestHostileAnswers: an answer without end, in whatever part of it, ends with the call and
// takes little memory.
func TestHostileAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for _, a := range []struct{ name, start, again string }{
		{"interim answers", "", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"},
		{"continue", "", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"header fields", ok, "X-Field: " + strings.Repeat("x", 100) + "\r\n"},
		{"a header field", ok + "X-Field: ", strings.Repeat("x", 1000)},
		{"a status line", "HTTP/1.1 200 ", strings.Repeat("x", 1000)},
		{"a chunk's size", ok + "Transfer-Encoding: chunked\r\n\r\n", "1"},
		{"a chunk's extension", ok + "Transfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 1000)},
		{"trailers", ok + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\n{}\r\n0\r\n", "X: y\r\n"},
		{"a body", ok + "\r\n", strings.Repeat(" ", 1000)},
		{"a body of text", ok + "\r\n{\"id\": \"", strings.Repeat("x", 1000)},
		{"a body nested deeply", ok + "\r\n", strings.Repeat("[", 1000)},
		{"an error's body", "HTTP/1.1 500 No\r\n\r\n", strings.Repeat("x", 1000)},
	} {
		t.Run(a.name, func(t *testing.T) {
			c := endless(t, a.start, a.again)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
			runtime.ReadMemStats(&after)
			if e := failure(t, err); !e.Unknown {
				t.Errorf("%+v", e)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 16 {
				t.Errorf("allocated %d MB", n)
			}
		})
	}
}

// endless returns a client of a server that answers start, and then again without end.
func endless(t *testing.T, start, again string) *heymarket.Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 64<<10))
				_, err := io.WriteString(conn, start)
				for err == nil {
					_, err = io.WriteString(conn, again)
				}
			}()
		}
	}()
	transport := heymarket.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	c, err := heymarket.New(heymarket.Options{
		BaseURL:   "http://" + l.Addr().String(),
		APIKey:    "k3y",
		Transport: transport,
		Timeout:   5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
