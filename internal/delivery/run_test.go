package delivery

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
)

// answers is a transport that gives one answer after the other, and then the
// last one again.
type answers struct {
	mu    sync.Mutex
	list  []func(*http.Request) (*http.Response, error)
	calls []string // bodies
	begun []time.Time
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.calls, a.begun = append(a.calls, string(body)), append(a.begun, time.Now())
	next := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	hasty := len(a.calls) > 1000
	a.mu.Unlock()
	if hasty { // a test of hours that lost its pauses would never end
		return until(r)
	}
	return next(r)
}

func answer(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"X-Request-Id": {"req-1"}, "Content-Type": {"application/json"}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status,
			Header:     h,
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    r,
		}, nil
	}
}

const sentBody = `{"id":9,"convo_id":7,"queued":true}`

// silent makes notices of nothing.
func silent(events.Event) []byte { return nil }

// until waits for the call to be cut.
func until(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type recorder struct {
	mu   sync.Mutex
	kind []events.Kind
	all  []events.Event
}

func (r *recorder) Record(e events.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kind, r.all = append(r.kind, e.Kind), append(r.all, e)
}

// run delivers l for a while of simulated time and returns when all has ended.
func run(t *testing.T, l *lane, a *answers, d time.Duration) *recorder {
	t.Helper()
	return runWith(t, l, a, d, func(*Options, *Setup) {})
}

// runWith is run with options changed.
func runWith(t *testing.T, l *lane, a *answers, d time.Duration, change func(*Options, *Setup)) *recorder {
	t.Helper()
	rec := &recorder{}
	setup := shop(t, a)
	o := Options{
		Store:      l,
		Sink:       rec,
		Now:        time.Now,
		Jitter:     func() float64 { return 0 },
		NewLocalID: func() string { return "L2" },
	}
	change(&o, &setup)
	o.Setup = always(setup)
	s := New(o)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.Run(ctx)
	return rec
}

// shop is a set-up with one team, which calls a.
func shop(t *testing.T, a *answers) Setup {
	t.Helper()
	client, err := heymarket.New(
		heymarket.Options{APIKey: "key", Transport: a, Timeout: 30 * time.Second, Now: time.Now},
	)
	if err != nil {
		t.Fatal(err)
	}
	return Setup{
		Teams: map[string]Team{"shop": {Client: client, Rate: 500, Concurrency: 8}},
		Routes: map[string]Route{
			"support": {Team: "shop", Inbox: 202, Creator: 55},
			"sales":   {Team: "other", Inbox: 203},
		},
		Event:         silent,
		Timeout:       30 * time.Second,
		RetryInitial:  time.Second,
		RetryMax:      time.Hour,
		Expire:        24 * time.Hour,
		Grace:         5 * time.Second,
		LanePatience:  15 * time.Minute,
		LocalIDMemory: time.Hour,
		HoldMax:       14 * 24 * time.Hour,
	}
}

// always is the Options.Setup of a scheduler whose set-up does not change.
func always(s Setup) func() *Setup { return func() *Setup { return &s } }
