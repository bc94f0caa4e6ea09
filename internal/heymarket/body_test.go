package heymarket_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"

	"heyrelay/internal/heymarket"
)

// TestBodyIsNotSharedWhileRead has a transport answer before it reads the body, which it may, and read it
// after the next call was made: it is still the body of its own call.
func TestBodyIsNotSharedWhileRead(t *testing.T) {
	for name, got := range map[string]func(*httptrace.ClientTrace){
		"a transport that traces": func(trace *httptrace.ClientTrace) { trace.GotConn(httptrace.GotConnInfo{}) },
		"one that does not":       func(*httptrace.ClientTrace) {},
		"one that lost its first connection": func(trace *httptrace.ClientTrace) {
			trace.GotConn(httptrace.GotConnInfo{})
			trace.WroteRequest(httptrace.WroteRequestInfo{Err: io.ErrUnexpectedEOF})
			trace.GotConn(httptrace.GotConnInfo{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var unread []io.Reader
			c := client(t, carrier(func(r *http.Request) (*http.Response, error) {
				got(httptrace.ContextClientTrace(r.Context()))
				unread = append(unread, r.Body)
				return says200(`{"id": 1}`)(r)
			}))
			for i := range 20 {
				if _, err := c.Send(t.Context(), opener(fmt.Sprintf("l-%02d", i))); err != nil {
					t.Fatal(err)
				}
			}
			for i, r := range unread {
				body, _ := io.ReadAll(r)
				if want := fmt.Sprintf(`"local_id":"l-%02d"`, i); !strings.Contains(string(body), want) {
					t.Fatalf("call %d has the body %s", i, body)
				}
			}
		})
	}
}

// BenchmarkSend sends a message of 4 KB, whose bodies become 8 KB, to a server on loopback.
func BenchmarkSend(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"id": 1, "convo_id": 2, "queued": true, "date": "2026-11-26T11:00:00Z"}`)
	}))
	defer server.Close()
	transport := heymarket.NewTransport()
	defer transport.CloseIdleConnections()
	c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport})
	if err != nil {
		b.Fatal(err)
	}
	mail := opener("l-1", "to:ann@example.com")
	mail.Text = strings.Repeat("<p>What was ordered is on its way.</p>\n", 110)
	mail.RawText = strings.Repeat("What was ordered is on its way.\n", 128)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(b.Context(), mail); err != nil {
			b.Fatal(err)
		}
	}
}
