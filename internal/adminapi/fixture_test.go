package adminapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/adminapi"
	"heyrelay/internal/backend"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

const (
	reading   = "a-token-that-may-only-read"
	operating = "a-token-that-may-operate-too"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// fixture is an API before a spool with a bit of everything.
type fixture struct {
	*testing.T
	store    *sqlite.Store
	operator *sqlite.Operator
	stream   *events.Stream
	guard    *access.Guard
	handler  http.Handler
	broken   bool // holds cannot be read
	kicked   int
	recorded []events.Event
}

// breakable is an operator whose holds cannot be read once it is broken.
type breakable struct {
	spool.Operator
	broken *bool
}

// Kept implements spool.Operator.
func (b breakable) Kept(ctx context.Context) ([]spool.Kept, error) {
	if *b.broken {
		return nil, errors.New("sql: disk I/O error")
	}
	return b.Operator.Kept(ctx)
}

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, stream: &events.Stream{}}
	path := filepath.Join(t.TempDir(), "spool.db")
	var err error
	f.store, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.operator, err = sqlite.OpenOperator(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(f.operator.Close(), f.store.Check(context.Background()), f.store.Close()); err != nil {
			t.Error(err)
		}
	})
	clock := func() time.Time { return epoch.Add(time.Hour) }
	counter := activity.New(clock)
	counter.Record(events.Event{Kind: events.Sent, Team: "shop", Duration: time.Second})
	counter.Sample(3)
	guard, err := access.New(access.Options{
		Tokens: []access.Token{
			{Name: "dashboard", Value: reading, Role: access.Read},
			{Name: "script", Value: operating, Role: access.Operate},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.guard = guard
	f.handler = guard.Wrap(adminapi.New(adminapi.Options{
		Backend: backend.Backend{
			Operator: breakable{f.operator, &f.broken},
			Events:   f.stream,
			Activity: counter,
			Rates:    map[string]int{"shop": 500},
			ByMail:   map[string]string{"a": "shop"},
			Kick:     func() { f.kicked++ },
			Record:   func(e events.Event) { f.recorded = append(f.recorded, e) },
			Now:      clock,
			NewID:    func() string { return "new" },
			Health:   func(context.Context) (string, []string) { return "degraded", []string{"old"} },
			Body:     func(t *spool.Task) ([]byte, error) { return json.Marshal(map[string]string{"local_id": t.LocalID}) },
		},
		Routes: map[string]string{"a": "shop", "b": "shop"},
		Reload: func() (adminapi.Reloaded, error) {
			if f.broken {
				return adminapi.Reloaded{}, errors.New("heyrelay.yaml:1:1: unknown key")
			}
			return adminapi.Reloaded{Changed: []string{"log.level"}}, nil
		},
	}))
	return f
}

// send accepts a message from route to a recipient.
func (f *fixture) send(id, route, to string, change func(*spool.Message)) {
	f.Helper()
	m := &spool.Message{
		QueueID:     id,
		MessageIDs:  []string{id + "@example.com"},
		Accepted:    epoch,
		Client:      "10.0.0.1",
		Sender:      "app@example.com",
		Route:       route,
		Team:        "shop",
		Inbox:       202,
		Title:       "Printer on fire",
		Fingerprint: sha256.Sum256([]byte(id)),
		HTML:        "<p>It burns.</p>",
		Text:        "It burns.",
		Raw:         []byte("Subject: Printer on fire\r\n\r\nIt burns.\r\n"),
		Requests: []spool.Request{{
			LocalID:      id + "-0",
			To:           []string{to},
			Cc:           []string{"cc-" + to},
			Participants: to,
			Priority:     spool.Normal,
			Own:          []spool.Key{{id[1]}},
		}},
	}
	if change != nil {
		change(m)
	}
	if _, err := f.store.Accept(f.Context(), m); err != nil {
		f.Fatal(err)
	}
}

// finish claims the next request and ends its attempt.
func (f *fixture) finish(o spool.Outcome) {
	f.Helper()
	api := spool.Capacity{Team: "shop", Rate: 60_000, Free: 1}
	mail := spool.Capacity{Team: spool.SmarthostTeam("a"), Rate: 60_000, Free: 1}
	tasks, _, err := f.store.Claim(f.Context(), epoch, time.Minute, api, mail)
	if err != nil || len(tasks) != 1 {
		f.Fatalf("claimed %d: %v", len(tasks), err)
	}
	o.Task = tasks[0]
	if _, err := f.store.Finish(f.Context(), epoch.Add(time.Second), o); err != nil {
		f.Fatal(err)
	}
}

// fill stores messages in which each field of an answer is used.
func (f *fixture) fill() {
	f.Helper()
	f.send("Q1", "a", "alice@example.com", func(m *spool.Message) {
		m.Warnings = []byte(`[{"code":"charset"}]`)
		m.Files = []spool.File{
			{ID: spool.LinkHash{1}, Key: "one", Name: "a.pdf", Expires: epoch.Add(24 * time.Hour), Inline: true},
			{ID: spool.LinkHash{2}, Key: "two", Name: "b.pdf", ContentDigest: spool.Fingerprint{2}, Expires: epoch},
		}
	})
	f.finish(spool.Outcome{State: spool.Sent, Status: 200, ConvoID: 7, MessageID: 8, APIID: "R1"})
	f.send("Q2", "a", "alice@example.com", func(m *spool.Message) {
		m.Smarthost = true
		m.Requests[0].Lookup = []spool.Key{{'1'}}
		m.Requests[0].LookupNames = []string{"In-Reply-To: Q1@example.com"}
	})
	f.finish(spool.Outcome{
		State: spool.Deferred, Unknown: true, Status: 500, Reason: "the API returned 500", APIID: "R2",
		Due: epoch.Add(2 * time.Hour),
	})
	f.send("Q3", "b", "bob@example.com", nil)
	f.send("Q4", "b", "carol@example.com", nil)
	f.send("Q5", "a", "bob@example.com", func(m *spool.Message) {
		m.Shadow = &spool.Shadow{Reply: "250 2.0.0 Ok"}
		m.Requests[0].Lookup = []spool.Key{{'3'}}
		m.Requests[0].LookupNames = []string{"In-Reply-To: Q3@example.com"}
	})
	err := f.store.Hold(f.Context(), epoch, spool.Hold{
		Team: "shop", Route: "b", Inbox: 202, Reason: "the API returned 403", Since: epoch, Probe: epoch.Add(time.Hour),
	}, nil)
	if err != nil {
		f.Fatal(err)
	}
}

// request calls the API, with a body if it is not "".
func (f *fixture) request(token, method, path, body string, header ...string) *http.Response {
	f.Helper()
	r := httptest.NewRequest(method, adminapi.Base+path, strings.NewReader(body))
	r.Host = "localhost"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w.Result()
}

// follow follows the events with the token that may read, until the test ends.
func (f *fixture) follow() *http.Response {
	f.Helper()
	server := httptest.NewServer(f.handler)
	f.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(f.Context(), http.MethodGet, server.URL+adminapi.Base+"/events", nil)
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+reading)
	resp, err := server.Client().Do(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { resp.Body.Close() })
	return resp
}

// call calls the API, and reads its answer into into.
func (f *fixture) call(method, path, body string, status int, into any) {
	f.Helper()
	resp := f.request(operating, method, path, body)
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		f.Fatalf("%s %s: %d %s (%v), want %d", method, path, resp.StatusCode, text, err, status)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		f.Fatalf("%s %s: %s: %v", method, path, text, err)
	}
}
