package console

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"heyrelay/internal/events"
)

// One report stands for several events, and there is none of what no page shows.
func TestStream(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "192.0.2.1:1"
		f.handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-User", "bob")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("%s, %s", response.Status, kind)
	}
	lines := bufio.NewScanner(response.Body)
	next := func() string {
		for lines.Scan() {
			if lines.Text() != "" {
				return lines.Text()
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if got := next(); got != "retry: 2000" {
		t.Errorf("it begins with %q", got)
	}
	f.events.Record(events.Event{Kind: events.Detail})
	f.events.Record(events.Event{Kind: events.Accepted})
	f.events.Record(events.Event{Kind: events.Sent})
	for _, want := range []string{"event: change", "data:"} {
		if got := next(); got != want {
			t.Errorf("the stream says %q, want %q", got, want)
		}
	}
	f.events.Record(events.Event{Kind: events.Failed})
	if got := next(); got != "event: change" {
		t.Errorf("the next failure is reported as %q", got)
	}
}
