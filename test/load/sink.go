package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sink is the part of the API that takes mail, and costs little: it looks for two fields of the JSON, and
// does not check what heyrelay sandbox checks. Like the API, it remembers each local_id, gives a repeat the
// first answer, and takes its time. It counts the ids of messages.
type sink struct {
	latency time.Duration

	mu       sync.Mutex
	answers  map[string]int64 // message by local_id
	arrivals map[string]int   // messages by id
	last     time.Time        // when the newest message came
}

// arrived is what reached a sink since the last time that it was asked to forget.
type arrived struct {
	IDs  map[string]int `json:"ids"`  // how often each came
	Last time.Time      `json:"last"` // when the newest came
}

func newSink(latency time.Duration) *sink {
	s := &sink{latency: latency}
	s.forget()
	return s
}

func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = map[string]int64{}
	s.arrivals = map[string]int{}
}

// ServeHTTP serves the API's POST /v1/email/send, and for the loader GET /count (how many messages came),
// GET /arrived, and POST /forget.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/email/send":
		s.send(w, r)
	case "GET /count":
		s.mu.Lock()
		n := len(s.arrivals)
		s.mu.Unlock()
		fmt.Fprint(w, n)
	case "GET /arrived":
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(arrived{s.arrivals, s.last}) // an error means that the loader has gone
	case "POST /forget":
		s.forget()
	default:
		http.NotFound(w, r)
	}
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s *sink) send(w http.ResponseWriter, r *http.Request) {
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if _, err := io.Copy(body, r.Body); err != nil {
		return // the client has gone
	}
	localID, ok := field(body.Bytes(), `"local_id":"`)
	to, ok2 := field(body.Bytes(), `"targets":["to:`)
	if !ok || !ok2 || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		http.Error(w, `{"error":"bad_data"}`, http.StatusBadRequest)
		return
	}
	if s.latency > 0 {
		<-time.After(s.latency)
	}
	n := s.take(localID, to)
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["X-Request-Id"] = []string{strconv.FormatInt(n, 10)}
	fmt.Fprintf(w, `{"id":%d,"convo_id":%d,"queued":true,"date":"2026-11-26T12:00:00Z","compliance_results":{}}`, n, n)
}

// field returns the string that follows a key of a JSON object. The key cannot be found within a string, in
// which its quotation marks would be escaped.
func field(object []byte, key string) (string, bool) {
	_, after, ok := bytes.Cut(object, []byte(key))
	value, _, closed := bytes.Cut(after, []byte{'"'})
	return string(value), ok && closed
}

// take counts a message to the loader's domain, unless its local_id is known, and returns its number.
func (s *sink) take(localID, to string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, repeat := s.answers[localID]; repeat {
		return n
	}
	n := int64(len(s.answers)) + 1
	s.answers[localID] = n
	if id, ours := strings.CutSuffix(to, "@"+domain); ours {
		s.arrivals[id]++
		s.last = time.Now()
	}
	return n
}

type sinkCmd struct {
	Address string        `help:"host:port to listen on." default:"127.0.0.1:0"`
	Latency time.Duration `help:"How long each call takes." default:"0s"`
}

// Run serves until ctx ends.
func (c sinkCmd) Run(ctx context.Context) error {
	l, err := listen(c.Address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newSink(c.Latency), ReadHeaderTimeout: patience}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })() // it closes what is open
	return unlessClosed(server.Serve(l), http.ErrServerClosed)
}

// listen opens a listener, and prints its address for the process that started this one.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(os.Stdout, l.Addr())
	return l, err
}

// unlessClosed returns err, unless it is that of a server that was closed.
func unlessClosed(err, closed error) error {
	if errors.Is(err, closed) {
		return nil
	}
	return err
}
