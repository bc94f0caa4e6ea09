package heymarket_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"heyrelay/internal/heymarket"
)

// TestRequest compares a send with the documentation, byte for byte.
func TestRequest(t *testing.T) {
	for _, test := range []struct {
		email heymarket.Email
		want  string
	}{
		{
			opener("l-1", "to:ann@example.com", "cc:bob@example.com"),
			`{"creator_id":55,"inbox":202,"text":"<p>Hi & bye</p>","raw_text":"Hi & bye","local_id":"l-1",` +
				`"conv_title":"Hello","targets":["to:ann@example.com","cc:bob@example.com"]}`,
		},
		{
			heymarket.Email{
				CreatorID: 55,
				Inbox:     202,
				Text:      "<p>Grüße</p>",
				RawText:   "Grüße",
				LocalID:   "l-2",
				ConvoID:   20,
			},
			`{"creator_id":55,"inbox":202,"text":"<p>Grüße</p>","raw_text":"Grüße","local_id":"l-2","convo_id":20}`,
		},
	} {
		var got *http.Request
		var body []byte
		c := client(t, carrier(func(r *http.Request) (*http.Response, error) {
			got = r
			body, _ = io.ReadAll(r.Body)
			return says200(`{"id": 1}`)(r)
		}))
		if _, err := c.Send(t.Context(), test.email); err != nil {
			t.Fatal(err)
		}
		if string(body) != test.want {
			t.Errorf("the body is\n%s\nnot\n%s", body, test.want)
		}
		line := got.Method + " " + got.URL.String()
		if line != "POST https://api.heymarket.com/v1/email/send" || got.ContentLength != int64(len(body)) {
			t.Errorf("%s, %d bytes", line, got.ContentLength)
		}
		fields := map[string]string{
			"Content-Type": "application/json",
			"Accept":       "application/json",
			"User-Agent":   "heyrelay",
		}
		for name, want := range fields {
			if got.Header.Get(name) != want {
				t.Errorf("%s is %q", name, got.Header.Get(name))
			}
		}
	}
}

func TestBaseURLAndUserAgent(t *testing.T) {
	var got string
	c, err := heymarket.New(heymarket.Options{
		BaseURL: "https://api.example/prefix/", APIKey: "k3y", UserAgent: "heyrelay/1.2",
		Transport: carrier(func(r *http.Request) (*http.Response, error) {
			got = r.Method + " " + r.URL.String() + " " + r.UserAgent() + r.Header.Get("Content-Type")
			return says200("[]")(r)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Inboxes(t.Context()); err != nil || got != "GET https://api.example/prefix/v1/inboxes heyrelay/1.2" {
		t.Error(got, err)
	}
}

// TestRedirectsAreNotFollowed over the network: following one would hand the token
// to another host.
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var paths []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.URL.Path)
			http.Redirect(w, r, "/elsewhere", status)
		}))
		transport := heymarket.NewTransport()
		c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
		if e := failure(t, err); e.Class != heymarket.Redirect || e.Unknown || fmt.Sprint(paths) != "[/v1/email/send]" {
			t.Errorf("%d: %+v after %v", status, e, paths)
		}
		transport.CloseIdleConnections()
		server.Close()
	}
}

// TestResponsesAreBounded: an endless response is not read on and on.
func TestResponsesAreBounded(t *testing.T) {
	var read int64
	c := client(t, carrier(func(r *http.Request) (*http.Response, error) {
		body := io.LimitReader(counter{&read}, 1<<40)
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	}))
	_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if e := failure(t, err); !e.Unknown || !strings.Contains(e.Reason, "longer than") || read > 2<<20 {
		t.Errorf("%+v after %d bytes", e, read)
	}
}

// counter is an endless source of spaces.
type counter struct{ n *int64 }

func (c counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	*c.n += int64(len(p))
	return len(p), nil
}

// TestConnectionsAreReused: concurrent calls keep their connections for the next
// ones.
func TestConnectionsAreReused(t *testing.T) {
	const atOnce = 20
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gate <- struct{}{} // all of them are here
		io.WriteString(w, `{"id": 1}`)
	}))
	defer server.Close()
	transport := heymarket.NewTransport()
	defer transport.CloseIdleConnections()
	var opened atomic.Int32
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		opened.Add(1)
		return dial(ctx, network, address)
	}
	c, err := heymarket.New(heymarket.Options{BaseURL: server.URL, APIKey: "k3y", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var all sync.WaitGroup
		for range atOnce {
			all.Go(func() {
				if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
					t.Error(err)
				}
			})
		}
		for range atOnce {
			<-gate
		}
		all.Wait()
	}
	if n := opened.Load(); n >= 2*atOnce { // sometimes one is dialled in vain
		t.Errorf("%d connections for 3 times %d calls at once", n, atOnce)
	}
}
