package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxBody bounds a request. The API's own limit is not documented.
const maxBody = 16 << 20

// call is a request, read completely.
type call struct {
	Call
	header http.Header
	fault  Fault // by chance or by a test, "" for none
}

// ServeHTTP handles one call. To cut a connection it panics with
// http.ErrAbortHandler, as net/http requires.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := s.handle(r)
	if s.wait(r.Context(), rep) != nil {
		return // the client has gone
	}
	switch rep.ending {
	case cut, refused:
		panic(http.ErrAbortHandler)
	case open:
		switchProtocols(w)
		return
	}
	for key, values := range rep.header {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(rep.body)))
	w.WriteHeader(rep.status)
	if rep.ending == half {
		w.Write(rep.body[:len(rep.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(rep.body) // an error means that the client has gone
}

// switchProtocols answers 101 and keeps the connection open until the client
// closes it.
func switchProtocols(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	io.Copy(io.Discard, conn) // ends at once if the write failed
}

// RoundTrip handles one call without a network, so that simulated time passes. It
// calls httptrace as a transport does, and returns the errors of a transport if
// the connection is refused or cut.
func (s *Sandbox) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(r.URL.Host)
	}
	rep := s.handle(r)
	if rep.ending == refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if err := s.wait(ctx, rep); err != nil {
		return nil, err
	}
	if rep.ending == cut {
		return nil, io.EOF
	}
	return rep.response(r), nil
}

// response is the reply as a transport returns it.
func (rep reply) response(r *http.Request) *http.Response {
	var body io.ReadCloser
	switch rep.ending {
	case half:
		body = io.NopCloser(io.MultiReader(bytes.NewReader(rep.body[:len(rep.body)/2]), broken{}))
	case open:
		body = &silent{closed: make(chan struct{})}
	default:
		body = io.NopCloser(bytes.NewReader(rep.body))
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", rep.status, http.StatusText(rep.status)),
		StatusCode:    rep.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        rep.header,
		Body:          body,
		ContentLength: int64(len(rep.body)),
		Request:       r,
	}
}

// broken is the rest of a response that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// silent is a connection that stays open and silent until it is closed.
type silent struct {
	once   sync.Once
	closed chan struct{}
}

func (s *silent) Read([]byte) (int, error) {
	<-s.closed
	return 0, net.ErrClosed
}

func (s *silent) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// wait lets the time pass that a response takes.
func (s *Sandbox) wait(ctx context.Context, rep reply) error {
	d := s.o.Latency
	if s.o.Spread > 0 {
		d += time.Duration(rep.spread * float64(s.o.Spread))
	}
	if rep.slow {
		d += s.o.Slow
	}
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handle does the work of a call. Every response has an X-Request-Id.
func (s *Sandbox) handle(r *http.Request) reply {
	c := call{Call: Call{Method: r.Method, Path: r.URL.Path}, header: r.Header}
	var rep reply
	if err := c.read(r.Body); err != nil {
		rep = errorReply(http.StatusRequestEntityTooLarge, err.Error())
	} else if strings.HasPrefix(c.Path, "/v1/") {
		rep = s.api(c)
	} else {
		rep = s.control(c)
	}
	rep.header.Set("X-Request-Id", fmt.Sprintf("sandbox-%06d", s.count(&s.responses)))
	rep.header.Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	return rep
}

func (c *call) read(body io.Reader) (err error) {
	if body == nil {
		return nil
	}
	c.Body, err = io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(c.Body) > maxBody {
		err = fmt.Errorf("the request is longer than %d bytes", maxBody)
	}
	return err
}

// api handles the paths under /v1: authentication, rate, then the call itself.
func (s *Sandbox) api(c call) reply {
	s.count(&s.stats.Calls)
	fault, spread := s.draw(c.Call)
	c.fault = fault
	rep := s.dispatch(c)
	if rep.status == http.StatusTooManyRequests {
		s.count(&s.stats.Throttled)
	}
	rep.spread = spread
	return rep
}

func (s *Sandbox) dispatch(c call) reply {
	if c.fault == Refused {
		return silence(refused)(s)
	}
	t, err := s.authenticate(c.header)
	if err != nil {
		s.count(&s.stats.Unauthorized)
		return errorReply(http.StatusUnauthorized, err.Error())
	}
	if !s.admit(t) {
		return s.throttled()
	}
	if id, ok := strings.CutPrefix(c.Path, "/v1/conversations/"); ok && c.Method == http.MethodGet {
		return s.perform(c.fault, func() reply { return s.conversation(t, id, c.fault) })
	}
	switch c.Method + " " + c.Path {
	case "POST /v1/email/send":
		return s.send(t, c)
	case "POST /v1/messages/all":
		return s.messagesAll(t, c)
	case "GET /v1/inboxes":
		return s.perform(c.fault, func() reply { return s.inboxes(t) })
	case "GET /v1/team":
		return s.perform(c.fault, func() reply { return s.team(t) })
	}
	return unknownPath(c)
}
