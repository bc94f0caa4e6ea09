package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/sandbox"
)

// TestSandboxIDs: a sandbox never repeats the ids of one that was started earlier,
// because its ids begin at the milliseconds of its start.
func TestSandboxIDs(t *testing.T) {
	begun := time.Now().UnixMilli()
	s := newSandbox(0, "")
	r := httptest.NewRequest(http.MethodPost, "/v1/email/send", strings.NewReader(
		`{"creator_id": 55, "inbox": 202, "text": "Hi", "targets": ["to:ann@example.com"]}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+sandbox.DemoAPIKey)
	s.ServeHTTP(httptest.NewRecorder(), r)
	m := s.Messages()
	if len(m) != 1 || m[0].ID < begun || m[0].ConvoID < begun {
		t.Errorf("%+v, started at %d", m, begun)
	}
}

// A response that is slow delays the end for a moment, and is no error of the program.
func TestSandboxEndsDuringAResponse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		end()
		<-r.Context().Done()
	})
	var asking sync.WaitGroup
	asking.Go(func() {
		if resp, err := http.Get("http://" + l.Addr().String()); err == nil {
			t.Errorf("status %d", resp.StatusCode)
			_ = resp.Body.Close()
		}
	})
	if err := serveHTTP(ctx, l, slow); err != nil {
		t.Error(err)
	}
	asking.Wait()
}
