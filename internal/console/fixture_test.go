package console

import (
	"context"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/backend"
	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// fixture is a console over a spool, behind a Guard. Ann may operate, everybody else reads.
type fixture struct {
	*testing.T
	store    *sqlite.Store
	operator *sqlite.Operator
	events   events.Stream
	activity *activity.Counter
	handler  http.Handler
	now      time.Time
	recorded []events.Event
	blobs    blob.Store
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{T: t, now: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), "spool.db")
	var err error
	f.store, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	f.operator, err = sqlite.OpenOperator(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.operator.Close() })
	f.blobs, err = blob.Open("file://"+filepath.ToSlash(t.TempDir()), blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return f.now }
	f.activity = activity.New(clock)
	guard, err := access.New(access.Options{Proxy: access.Proxy{
		Networks:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // of httptest's requests
		Header:    "X-User",
		Role:      access.Read,
		Operators: []string{"ann"},
	}, Hosts: []string{"example.com"}, Public: []string{"/static/"}})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = guard.Wrap(New(Options{
		Backend: backend.Backend{
			Operator: f.operator,
			Blobs:    f.blobs,
			Events:   &f.events,
			Activity: f.activity,
			Rates:    map[string]int{"shop": 500},
			Kick:     func() {},
			Record:   func(e events.Event) { f.recorded = append(f.recorded, e) },
			Now:      clock,
			Health:   func(context.Context) (string, []string) { return "serving", nil },
			Body:     func(t *spool.Task) ([]byte, error) { return []byte(`{"local_id":"` + t.LocalID + `"}`), nil },
		},
		Routes:  []Route{{"support", "shop"}},
		SMTP:    func() []net.Addr { return []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2525}} },
		Version: "1.0.0",
	}))
	return f
}

// accept stores a message for alice, which change may alter.
func (f *fixture) accept(queueID string, change func(*spool.Message)) {
	f.Helper()
	m := &spool.Message{
		QueueID:     queueID,
		Accepted:    f.now,
		Client:      "127.0.0.1",
		Sender:      "app@example.com",
		Route:       "support",
		Team:        "shop",
		Inbox:       202,
		Title:       "Printer on fire",
		Fingerprint: spool.Fingerprint([]byte(fmt.Sprintf("%32s", queueID))),
		HTML:        "<p>It burns.</p>",
		Text:        "It burns.",
		Raw:         []byte("Subject: Printer on fire\r\nMessage-Id: <" + queueID + "@example.com>\r\n\r\nIt burns.\r\n"),
		Requests: []spool.Request{{
			LocalID:      "local-" + queueID,
			To:           []string{"alice@example.com"},
			Participants: "alice@example.com",
			Priority:     spool.Normal,
		}},
	}
	if change != nil {
		change(m)
	}
	if _, err := f.store.Accept(f.Context(), m); err != nil {
		f.Fatal(err)
	}
	f.now = f.now.Add(time.Second)
}

// finish ends what is ready in a state.
func (f *fixture) finish(state spool.State, reason string) {
	f.Helper()
	tasks, _, err := f.store.Claim(f.Context(), f.now, time.Minute, spool.Capacity{Team: "shop", Rate: 60000, Free: 100})
	if err != nil {
		f.Fatal(err)
	}
	for _, t := range tasks {
		o := spool.Outcome{Task: t, State: state, Status: 400, APIID: "api-1", Reason: reason}
		if state == spool.Sent {
			o.Status, o.ConvoID, o.MessageID = 200, 7, 8
		}
		if _, err := f.store.Finish(f.Context(), f.now, o); err != nil {
			f.Fatal(err)
		}
	}
}

// get returns what a person sees at an address, and fails the test unless it has the status.
func (f *fixture) get(user, address string, status int) string {
	f.Helper()
	return f.do(user, httptest.NewRequest(http.MethodGet, address, nil), status).Body.String()
}

func (f *fixture) do(user string, r *http.Request, status int) *httptest.ResponseRecorder {
	f.Helper()
	r.Header.Set("X-User", user)
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if w.Code != status {
		f.Fatalf("%s %s: status %d, want %d\n%s", r.Method, r.URL, w.Code, status, w.Body.String())
	}
	return w
}

var (
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	confirmForm = regexp.MustCompile(`(?s)<form class="card confirm" method="post" action="([^"]*)">(.*?)</form>`)
)

// confirm sends the form of a page of confirmation, and returns the address that it leads to.
func (f *fixture) confirm(page string, more ...string) string {
	f.Helper()
	form := confirmForm.FindStringSubmatch(page)
	if form == nil {
		f.Fatalf("there is no form in\n%s", page)
	}
	values := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(form[2], -1) {
		values.Add(field[1], html.UnescapeString(field[2]))
	}
	for i := 0; i+1 < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return f.post("ann", form[1], values, http.StatusSeeOther).Header().Get("Location")
}

func (f *fixture) post(user, address string, values url.Values, status int) *httptest.ResponseRecorder {
	f.Helper()
	r := httptest.NewRequest(http.MethodPost, address, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.do(user, r, status)
}

// has fails the test unless a page contains each text.
func (f *fixture) has(page string, texts ...string) {
	f.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			f.Errorf("there is no %q in\n%s", text, page)
		}
	}
}

// lacks fails the test if a page contains a text.
func (f *fixture) lacks(page string, texts ...string) {
	f.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			f.Errorf("there is %q in\n%s", text, page)
		}
	}
}

// state is the state of a message's request.
func (f *fixture) state(queueID string) string {
	f.Helper()
	m, err := f.operator.Show(f.Context(), queueID)
	if err != nil {
		f.Fatal(err)
	}
	return m.Requests[0].State
}
