package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
)

// ill is a store in a state of the test's choice.
type ill struct {
	spool.Store
	ping   error
	oldest time.Time
	holds  []spool.Hold
	broken error // of reading
}

func (s ill) Ping(context.Context) error { return s.ping }

func (s ill) Backlog(context.Context) (int, time.Time, error) {
	if s.oldest.IsZero() {
		return 0, s.oldest, s.broken
	}
	return 7, s.oldest, s.broken
}

func (s ill) Holds(context.Context) ([]spool.Hold, error) { return s.holds, s.broken }

// quietRelay returns a relay that does not run, at a time that stands still.
func quietRelay(t *testing.T, store spool.Store, now time.Time) *Relay {
	t.Helper()
	r, err := New(parse(t, oneRoute), Parts{
		Store:  store,
		Sink:   events.Sinks{},
		Random: rand.Reader,
		Listen: nowhere,
		Now:    func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Health reports the state of the spool, the holds and the backlog.
func TestHealth(t *testing.T) {
	now := time.Now()
	team := []spool.Hold{{Team: "shop", Reason: "401", Since: time.Unix(0, 0)}}
	route := []spool.Hold{{Team: "shop", Route: "r", Reason: "403", Since: time.Unix(0, 0)}}
	for name, c := range map[string]struct {
		store ill
		want  Status
		part  string
	}{
		"well":         {ill{}, Serving, ""},
		"young":        {ill{oldest: now.Add(-59 * time.Minute)}, Serving, ""},
		"old":          {ill{oldest: now.Add(-61 * time.Minute)}, Degraded, "1h1m0s old; health.oldest is 1h"},
		"team held":    {ill{holds: team}, Degraded, "team shop is on hold since 1970-01-01T00:00:00Z: 401"},
		"route held":   {ill{holds: route}, Degraded, "route r is on hold"},
		"full":         {ill{ping: spool.ErrFull}, NotServing, "the spool accepts no mail: the spool has no space left"},
		"damaged":      {ill{ping: spool.ErrCorrupt}, NotServing, "damaged"},
		"unreadable":   {ill{broken: errors.New("cannot read")}, NotServing, "cannot read"},
		"full and old": {ill{ping: spool.ErrFull, oldest: now.Add(-24 * time.Hour)}, NotServing, "health.oldest"},
	} {
		t.Run(name, func(t *testing.T) {
			c.store.Store = open(t)
			r := quietRelay(t, c.store, now)
			h := r.Health(t.Context())
			if h.Status != c.want || !strings.Contains(strings.Join(h.Reasons, "\n"), c.part) {
				t.Errorf("%+v, want %s because of %q", h, c.want, c.part)
			}
			if (len(h.Reasons) == 0) != (c.want == Serving) {
				t.Errorf("%s because of %q", h.Status, h.Reasons)
			}
			r.stopping.Store(true)
			if h := r.Health(t.Context()); h.Status != NotServing {
				t.Errorf("while it shuts down: %+v", h)
			}
		})
	}
}

// A team whose calls fail makes the relay degraded until one succeeds.
func TestHealthInAnOutage(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openIn(t, dir)
		api := sandbox.New(sandbox.Options{})
		api.Inject(-1, "temperror", nil)
		r, err := New(parse(t, oneRoute), Parts{
			Store:     store,
			Sink:      testLog{t},
			Transport: api,
			Random:    rand.Reader,
			Listen:    nowhere,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.scheduler.Run(ctx) })
		for i := range 8 {
			submit(t, r, fmt.Sprint("Q", i), fmt.Sprintf("a%d@example.com", i), "Subject: x\r\n\r\nx\r\n")
		}
		<-time.After(10 * time.Second)
		h := r.Health(ctx)
		if h.Status != Degraded || len(h.Reasons) != 1 || h.Pending != 8 {
			t.Fatalf("in the outage %+v", h)
		}
		if !strings.HasPrefix(h.Reasons[0], "team shop is paused") {
			t.Errorf("reason %q", h.Reasons[0])
		}
		api.Clear()
		<-time.After(time.Minute)
		if h := r.Health(ctx); h.Status != Serving || h.Pending != 0 {
			t.Errorf("after it %+v", h)
		}
		stop()
		running.Wait()
		closeSpool(t, store)
	})
}

// releasing is a store with a team on hold until it is released.
type releasing struct {
	spool.Store
	released atomic.Bool
}

func (s *releasing) Holds(context.Context) ([]spool.Hold, error) {
	if s.released.Load() {
		return nil, nil
	}
	return []spool.Hold{{Team: "shop", Operator: true}}, nil
}

// Until the scheduler notices a release, its team is not held any more, and its calls do not fail.
func TestHealthAfterARelease(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openIn(t, dir)
		held := &releasing{Store: store}
		r := quietRelay(t, held, time.Now())
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.scheduler.Run(ctx) })
		<-time.After(10 * time.Second)
		if r.scheduler.CanSend("shop", "support") {
			t.Fatal("the scheduler does not know the hold")
		}
		held.released.Store(true)
		if h := r.Health(ctx); h.Status != Serving || h.Paused != nil {
			t.Errorf("%+v", h)
		}
		stop()
		running.Wait()
		closeSpool(t, store)
	})
}

// The control socket answers its owner with the relay's health.
func TestHealthSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listening := sink{events.Listening, make(chan events.Event, 1)}
	r, err := New(parse(t, oneRoute), Parts{
		Store:         ill{Store: open(t), ping: spool.ErrFull},
		Sink:          listening,
		Random:        rand.Reader,
		ControlSocket: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, r)
	<-listening.got
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://relay"+HealthPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var h Health
	if err := json.NewDecoder(response.Body).Decode(&h); err != nil || h.Status != NotServing {
		t.Errorf("%+v, %v", h, err)
	}
}

// The probe gives the same status and reasons as the socket that heyrelay health asks.
func TestReadySaysWhatHealthDoes(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		store ill
		code  int
	}{
		"well":     {ill{}, http.StatusOK},
		"degraded": {ill{oldest: now.Add(-25 * time.Hour)}, http.StatusOK},
		"full":     {ill{ping: spool.ErrFull}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c.store.Store = open(t)
			r := quietRelay(t, c.store, now)
			ready, health := httptest.NewRecorder(), httptest.NewRecorder()
			r.answerReady(ready, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			r.answerHealth(health, httptest.NewRequest(http.MethodGet, HealthPath, nil))
			if ready.Code != c.code || ready.Body.String() != health.Body.String() {
				t.Errorf("%d %s, and health says %s", ready.Code, ready.Body, health.Body)
			}
		})
	}
}

// shut is a store with a team that an answer 429 has shut.
type shut struct {
	spool.Store
	until time.Time
}

func (s shut) Throttled(context.Context, string) (spool.Throttle, error) {
	return spool.Throttle{Until: s.until}, nil
}

// A team that the API has shut by a 429 is paused, and the health says until when, the metrics that it is.
func TestHealthOfAThrottledTeam(t *testing.T) {
	now := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for until, want := range map[time.Time]string{
		now.Add(time.Minute): "[team shop is paused until 2026-11-26T02:01:00Z: the API answered 429]",
		now:                  "[]",
	} {
		r := quietRelay(t, shut{open(t), until}, now)
		h := r.Health(t.Context())
		if fmt.Sprint(h.Paused) != want || fmt.Sprint(h.Reasons) != want {
			t.Errorf("until %v: paused %v, reasons %v", until, h.Paused, h.Reasons)
		}
		page := httptest.NewRecorder()
		r.metrics.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		metric := fmt.Sprintf("\nheyrelay_team_paused{team=\"shop\"} %d\n", len(h.Paused))
		if !strings.Contains(page.Body.String(), metric) {
			t.Errorf("until %v: no metric%s", until, metric)
		}
	}
}
