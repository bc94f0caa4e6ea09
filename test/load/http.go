package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// request is as much of an HTTP/1.1 request (RFC 9112) as the sink looks at.
type request struct {
	what   string // method and target: "POST /v1/email/send"
	bearer bool   // it has credentials of that scheme
	body   []byte // valid until the next request of its connection is read
}

// reply is what the sink answers.
type reply struct {
	status int
	id     int64 // X-Request-Id
	body   []byte
}

// serveHTTP serves the connections of a listener until ctx ends. net/http's server costs twice as much, and
// what the sink costs is taken from the server that is measured.
func serveHTTP(ctx context.Context, l net.Listener, answer func(request) reply) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return unlessClosed(err, net.ErrClosed)
		}
		open.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			c := connection{conn: conn, in: bufio.NewReaderSize(conn, mostRead)}
			c.serve(answer)
		})
	}
}

// mostRead is how many bytes are read at once: a call of 30 KB is read as it comes.
const mostRead = 64 << 10

// connection is one connection of a client. Its buffers are used again for each request.
type connection struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte
	out  []byte
}

// serve answers one request after the other, until the client has gone or sends what is not understood.
func (c *connection) serve(answer func(request) reply) {
	for {
		r, err := c.read()
		switch {
		case errors.Is(err, errRequest):
			_ = c.write(reply{status: http.StatusBadRequest, body: []byte(err.Error())}) // it is closed in any case
			return
		case err != nil:
			return
		}
		if err := c.write(answer(r)); err != nil {
			return
		}
	}
}

// errRequest is a request that the sink does not understand.
var errRequest = errors.New("not HTTP/1.1 with a Content-Length")

func (c *connection) read() (r request, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return r, err
	}
	what, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1\r\n"))
	if !ok {
		return r, errRequest
	}
	r.what = string(what)
	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return r, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(": "))
		switch {
		case len(name) == 0:
			c.body = slices.Grow(c.body[:0], length)[:length]
			r.body = c.body
			_, err := io.ReadFull(c.in, c.body)
			return r, err
		case bytes.EqualFold(name, []byte("Authorization")):
			r.bearer = bytes.HasPrefix(value, []byte("Bearer "))
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(value))
			if err != nil || length < 0 {
				return r, errRequest
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return r, errRequest
		}
	}
}

func (c *connection) write(r reply) error {
	c.out = fmt.Appendf(c.out[:0], "HTTP/1.1 %d %s\r\nDate: ", r.status, http.StatusText(r.status))
	c.out = time.Now().UTC().AppendFormat(c.out, http.TimeFormat)
	c.out = fmt.Appendf(c.out, "\r\nContent-Type: application/json\r\nX-Request-Id: %d\r\nContent-Length: %d\r\n\r\n%s",
		r.id, len(r.body), r.body)
	_, err := c.conn.Write(c.out)
	return err
}
