package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// answer answers the API's POST /v1/email/send, and for the loader GET /count (how many messages came),
// GET /arrived, and POST /forget.
func (s *sink) answer(r request) reply {
	switch r.what {
	case "POST /v1/email/send":
		return s.send(r)
	case "GET /count":
		s.mu.Lock()
		defer s.mu.Unlock()
		return reply{status: http.StatusOK, body: strconv.AppendInt(nil, int64(len(s.arrivals)), 10)}
	case "GET /arrived":
		s.mu.Lock()
		defer s.mu.Unlock()
		body, _ := json.Marshal(arrived{s.arrivals, s.last}) // such types have no error
		return reply{status: http.StatusOK, body: body}
	case "POST /forget":
		s.forget()
		return reply{status: http.StatusOK}
	}
	return reply{status: http.StatusNotFound}
}

func (s *sink) send(r request) reply {
	localID, ok := field(r.body, `"local`, `_id":"`)
	to, ok2 := field(r.body, `"targets"`, `:["to:`)
	if !ok || !ok2 || !r.bearer {
		return reply{status: http.StatusBadRequest, body: []byte(`{"error":"bad_data"}`)}
	}
	if s.latency > 0 {
		<-time.After(s.latency)
	}
	n := s.take(localID, to)
	const accepted = `{"id":%d,"convo_id":%d,"queued":true,"date":"2026-11-26T12:00:00Z","compliance_results":{}}`
	return reply{http.StatusOK, n, fmt.Appendf(nil, accepted, n, n)}
}

// field returns the string that follows a key of a JSON object, given in two parts. The key cannot be found
// within a string, in which its quotation marks would be escaped. The second part is searched for: it begins
// with an octet that is rare in text, which makes the search ten times faster.
func field(object []byte, key, rest string) (string, bool) {
	before, after, ok := bytes.Cut(object, []byte(rest))
	value, _, closed := bytes.Cut(after, []byte{'"'})
	return string(value), ok && closed && bytes.HasSuffix(before, []byte(key))
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
	return serveHTTP(ctx, l, newSink(c.Latency).answer)
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
