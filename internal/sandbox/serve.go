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
	"time"
)

// maxBody bounds a request. Nobody documents what the API takes.
const maxBody = 16 << 20

// call is a request, read whole.
type call struct {
	Call
	header http.Header
	fault  Fault // by chance or by a test, "" for none
}

// ServeHTTP answers one call. To cut a connection it panics with
// http.ErrAbortHandler, as net/http wants it.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := s.answer(r)
	if s.wait(r.Context(), rep) != nil {
		return // the client has gone
	}
	if rep.ending == cut || rep.ending == refused {
		panic(http.ErrAbortHandler)
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
	w.Write(rep.body) // a client that has gone needs no answer
}

// RoundTrip answers one call without a network, so that simulated time passes. It
// tells httptrace of a connection as a transport would, and gives the errors of
// one where a connection is refused or cut.
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
	rep := s.answer(r)
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
	var body io.Reader = bytes.NewReader(rep.body)
	if rep.ending == half {
		body = io.MultiReader(bytes.NewReader(rep.body[:len(rep.body)/2]), broken{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", rep.status, http.StatusText(rep.status)),
		StatusCode:    rep.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        rep.header,
		Body:          io.NopCloser(body),
		ContentLength: int64(len(rep.body)),
		Request:       r,
	}, nil
}

// broken is the rest of an answer that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// wait lets the time pass that an answer takes.
func (s *Sandbox) wait(ctx context.Context, rep reply) error {
	d := s.o.Latency
	if s.o.Spread > 0 {
		d += time.Duration(rep.lot * float64(s.o.Spread))
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

// answer does the work of a call. Every answer has an X-Request-Id.
func (s *Sandbox) answer(r *http.Request) reply {
	c := call{Call: Call{Method: r.Method, Path: r.URL.Path}, header: r.Header}
	var rep reply
	if err := c.read(r.Body); err != nil {
		rep = errorReply(http.StatusRequestEntityTooLarge, err.Error())
	} else if control, ok := strings.CutPrefix(c.Path, "/sandbox/"); ok {
		rep = s.control(c.Method, control)
	} else {
		rep = s.api(c)
	}
	rep.header.Set("X-Request-Id", fmt.Sprintf("sandbox-%06d", s.count(&s.answers)))
	rep.header.Set("Date", s.o.Now().UTC().Format(http.TimeFormat))
	return rep
}

func (c *call) read(body io.Reader) (err error) {
	if body == nil {
		return nil
	}
	c.Body, err = io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(c.Body) > maxBody {
		err = fmt.Errorf("the request is longer than %d octets", maxBody)
	}
	return err
}

// api answers what stands under /v1: who is it, is there room, what is wanted.
func (s *Sandbox) api(c call) reply {
	s.count(&s.stats.Calls)
	fault, lot := s.destiny(c.Call)
	c.fault = fault
	rep := s.dispatch(c)
	rep.lot = lot
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
		return s.carry(c.fault, func() reply { return s.conversation(t, id) })
	}
	switch c.Method + " " + c.Path {
	case "POST /v1/email/send":
		return s.send(t, c)
	case "POST /v1/messages/all":
		return s.messagesAll(t, c)
	case "GET /v1/inboxes":
		return s.carry(c.fault, func() reply { return s.inboxes(t) })
	case "GET /v1/team":
		return s.carry(c.fault, func() reply { return s.team(t) })
	}
	return errorReply(http.StatusNotFound, "there is no "+c.Method+" "+c.Path)
}
