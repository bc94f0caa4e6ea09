package notify_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/spool"
)

// call is what an endpoint gets.
type call struct {
	at     time.Time
	path   string
	header http.Header
	body   string
}

// endpoint is a transport to an endpoint that gives one answer after the other,
// and then the last one again. An answer of 0 is no answer.
type endpoint struct {
	mu      sync.Mutex
	answers []int
	later   string // Retry-After
	calls   []call
}

// RoundTrip implements http.RoundTripper.
func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.calls = append(e.calls, call{time.Now(), r.URL.Path, r.Header, string(body)})
	status := e.answers[min(len(e.calls), len(e.answers))-1]
	e.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	header := http.Header{"Location": {"https://other.example/"}, "Retry-After": {e.later}}
	thanks := io.NopCloser(strings.NewReader("thanks"))
	return &http.Response{StatusCode: status, Header: header, Body: thanks, Request: r}, nil
}

func (e *endpoint) all() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

// key is the key of the specification's own examples.
const key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func hookTo(transport http.RoundTripper) *notify.Webhook {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		panic(err)
	}
	return &notify.Webhook{
		URL:       "https://ops.example.com/hook",
		Key:       func() []byte { return secret },
		UserAgent: "heyrelay/test",
		Hostname:  "relay.example.com",
		Now:       time.Now,
		Transport: transport,
	}
}

// always is the Options.Setup of a notifier whose set-up does not change.
func always(s notify.Setup) func() *notify.Setup { return func() *notify.Setup { return &s } }

// run runs a Notifier in a bubble of its own time for a while.
func run(t *testing.T, o notify.Options, while time.Duration) {
	t.Helper()
	setup := *o.Setup()
	setup.Grace = 10 * time.Second
	o.Setup = always(setup)
	o.Now = time.Now
	if o.Jitter == nil {
		o.Jitter = func() float64 { return 0 }
	}
	ctx, stop := context.WithTimeout(t.Context(), while)
	defer stop()
	notify.New(o).Run(ctx)
}

// event is a notice for the webhook.
func event(id int64) spool.Notice {
	body := fmt.Appendf(nil, `{"type":"failed","id":%d}`, id)
	return spool.Notice{ID: id, Way: spool.Hook, Happened: time.Now(), Event: body}
}

// verify is how a receiver checks a call, written from the specification: the
// base64 of HMAC-SHA256 over id, timestamp and body, joined with full stops.
func verify(c call) error {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(c.header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		return err
	}
	if age := c.at.Sub(time.Unix(seconds, 0)).Abs(); age > 5*time.Minute {
		return fmt.Errorf("the timestamp is off by %v", age)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(c.header.Get("webhook-id") + "." + c.header.Get("webhook-timestamp") + "." + c.body))
	for sent := range strings.FieldsSeq(c.header.Get("webhook-signature")) {
		text, v1 := strings.CutPrefix(sent, "v1,")
		if sum, err := base64.StdEncoding.DecodeString(text); v1 && err == nil && hmac.Equal(sum, mac.Sum(nil)) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

func TestEventsAreSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{204}}
		store := newNotices(event(1), event(2))
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  &recorder{},
		}, time.Minute)
		ids := map[string]bool{}
		for _, c := range e.all() {
			if err := verify(c); err != nil {
				t.Errorf("%+v: %v", c, err)
			}
			id := c.header.Get("webhook-id")
			ids[id] = true
			if c.header.Get("Content-Type") != "application/json" || c.path != "/hook" || strings.Contains(id, ".") {
				t.Errorf("%+v", c)
			}
		}
		if len(ids) != 2 || len(e.all()) != 2 || len(store.list) != 0 {
			t.Errorf("ids %v of %d calls, %d notices left", ids, len(e.all()), len(store.list))
		}
	})
}

// Every answer but 2xx has the event posted again, under the same id, with a new
// timestamp and signature, later and later.
func TestEventsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{500, 302, 404, 0, 410, 200}}
		store, h := newNotices(event(1)), &recorder{}
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  h,
		}, time.Hour)
		var pauses []time.Duration
		for i, c := range e.all() {
			if err := verify(c); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			if c.header.Get("webhook-id") != e.all()[0].header.Get("webhook-id") || c.path != "/hook" {
				t.Errorf("call %d: %+v", i, c)
			}
			if i > 0 {
				pauses = append(pauses, c.at.Sub(e.all()[i-1].at))
			}
		}
		// The fourth attempt took 20 s to fail.
		want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 60 * time.Second, 80 * time.Second}
		if fmt.Sprint(pauses) != fmt.Sprint(want) || len(store.list) != 0 {
			t.Errorf("pauses %v, want %v; %d left", pauses, want, len(store.list))
		}
		if len(h.all()) != 5 || !strings.Contains(h.all()[1].Reason, "returned status 302") {
			t.Errorf("%+v", h.all())
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for later, want := range map[string]time.Duration{
		"":                              5 * time.Second,
		"1":                             5 * time.Second,
		"120":                           2 * time.Minute,
		"86400":                         time.Hour,
		"99999999999":                   time.Hour,
		"Sat, 01 Jan 2000 00:03:00 GMT": 3 * time.Minute, // a bubble begins at midnight
		"Fri, 31 Dec 1999 00:00:00 GMT": 5 * time.Second,
		"soon":                          5 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			e := &endpoint{answers: []int{503, 200}, later: later}
			run(t, notify.Options{
				Setup: always(notify.Setup{Webhook: hookTo(e)}),
				Store: newNotices(event(1)),
				Sink:  &recorder{},
			}, 2*time.Hour)
			if pause := e.all()[1].at.Sub(e.all()[0].at); pause != want {
				t.Errorf("Retry-After %q: a pause of %v, want %v", later, pause, want)
			}
		})
	}
}

// A redirect would be followed by a client that is asked to.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var mu sync.Mutex
	paths := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths[r.URL.Path]++
		mu.Unlock()
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	hook := hookTo(transport)
	hook.URL = s.URL + "/hook"
	store := newNotices(event(1))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		notify.New(notify.Options{
			Setup:  always(notify.Setup{Webhook: hook}),
			Store:  store,
			Sink:   &recorder{},
			Now:    time.Now,
			Jitter: func() float64 { return 0 },
		}).Run(ctx)
	}()
	if said := <-store.outcomes; said != "deferred 1" {
		t.Error(said)
	}
	stop()
	<-done
	if paths["/hook"] != 1 || len(paths) != 1 {
		t.Errorf("%v", paths)
	}
}

// switching answers its first request with 101 and keeps the connection open until
// hangUp is called.
func switching(t *testing.T) (url string, hangUp func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-over
	}()
	hangUp = sync.OnceFunc(func() {
		close(over)
		_ = l.Close()
		<-done
	})
	t.Cleanup(hangUp)
	return "http://" + l.Addr().String(), hangUp
}

// After 101 the body is the connection, which does not end with the call. It is an
// error at once, and nothing of it outlives the shutdown.
func TestSwitchingProtocolsIsAnError(t *testing.T) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	hook := hookTo(transport)
	url, hangUp := switching(t)
	hook.URL = url
	store, h := newNotices(event(1)), &recorder{}
	n := notify.New(notify.Options{
		Setup:  always(notify.Setup{Webhook: hook}),
		Store:  store,
		Sink:   h,
		Now:    time.Now,
		Jitter: func() float64 { return 0 },
	})
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	select {
	case said := <-store.outcomes:
		if said != "deferred 1" {
			t.Error(said)
		}
	case <-ctx.Done():
		t.Error("the attempt does not end")
		hangUp()
	}
	stop()
	<-done
	if all := h.all(); len(all) != 1 || !strings.Contains(all[0].Reason, "returned status 101") {
		t.Errorf("%+v", all)
	}
}

// endless is an answer that does not end.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }
func (e *endless) Close() error               { return nil }

type answersWithoutEnd struct{ body endless }

func (a *answersWithoutEnd) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: &a.body}, nil
}

func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, store := &answersWithoutEnd{}, newNotices(event(1))
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(a)}),
			Store: store,
			Sink:  &recorder{},
		}, time.Minute)
		if len(store.list) != 0 || a.body.read > 128<<10 {
			t.Errorf("%d left, %d bytes read", len(store.list), a.body.read)
		}
	})
}

func TestEventsAreGivenUpAfterThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, e := time.Now(), &endpoint{answers: []int{500}}
		store, h := newNotices(event(1)), &recorder{}
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  h,
		}, 10*24*time.Hour)
		last := e.all()[len(e.all())-1].at.Sub(began)
		if len(store.list) != 0 || last < 72*time.Hour || last > 73*time.Hour+time.Minute {
			t.Errorf("%d left, the last attempt after %v", len(store.list), last)
		}
		if end := h.all()[len(h.all())-1]; end.Kind != events.Error || !strings.Contains(end.Reason, "abandoned") {
			t.Errorf("%+v", end)
		}
	})
}

// An endpoint that does not answer is asked four things at once, not more.
func TestEventsAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{0}}
		var list []spool.Notice
		for i := range 100 {
			list = append(list, event(int64(i+1)))
		}
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: newNotices(list...),
			Sink:  &recorder{},
		}, 19*time.Second)
		if len(e.all()) != 4 {
			t.Errorf("%d calls", len(e.all()))
		}
	})
}

func TestEncoder(t *testing.T) {
	encode := notify.Encoder([]string{"failed", "held"})
	if got := encode(events.Event{Kind: events.Sent}); got != nil {
		t.Errorf("an event that nobody wants: %s", got)
	}
	e := events.Event{Kind: events.Held, Err: errors.New("inner"), Title: "salaries", Team: "shop"}
	got := string(encode(e))
	leaks := strings.Contains(got, "inner") || strings.Contains(got, "salaries")
	if !strings.HasPrefix(got, `{"type":"held",`) || leaks {
		t.Error(got)
	}
}

// The kinds that a configuration can name are kinds of events.
func TestKinds(t *testing.T) {
	for name, kind := range map[string]events.Kind{
		config.EventFailed: events.Failed, config.EventFlagged: events.Flagged, config.EventHeld: events.Held,
		config.EventReleased: events.Released, config.EventBacklog: events.Backlog, config.EventOldest: events.Oldest,
	} {
		if name != string(kind) {
			t.Errorf("%q is the event %q", name, kind)
		}
	}
}
