package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
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

// Health tells the truth about the spool, the holds and the backlog.
func TestHealth(t *testing.T) {
	now := time.Now()
	since := time.Unix(0, 0)
	for name, c := range map[string]struct {
		store ill
		want  Status
		part  string
	}{
		"well":         {ill{}, Serving, ""},
		"young":        {ill{oldest: now.Add(-59 * time.Minute)}, Serving, ""},
		"old":          {ill{oldest: now.Add(-61 * time.Minute)}, Degraded, "the oldest pending request is 1h1m0s old, health.oldest is 1h"},
		"team held":    {ill{holds: []spool.Hold{{Team: "shop", Reason: "401", Since: since}}}, Degraded, "team shop is on hold since 1970-01-01T00:00:00Z: 401"},
		"route held":   {ill{holds: []spool.Hold{{Team: "shop", Route: "r", Reason: "403", Since: since}}}, Degraded, "route r is on hold"},
		"full":         {ill{ping: spool.ErrFull}, NotServing, "the spool accepts no mail: the spool has no room"},
		"damaged":      {ill{ping: spool.ErrCorrupt}, NotServing, "damaged"},
		"unreadable":   {ill{broken: errors.New("cannot read")}, NotServing, "cannot read"},
		"full and old": {ill{ping: spool.ErrFull, oldest: now.Add(-24 * time.Hour)}, NotServing, "health.oldest"},
	} {
		t.Run(name, func(t *testing.T) {
			c.store.Store = open(t)
			r, err := New(parse(t, oneRoute), Parts{
				Store:  c.store,
				Sink:   events.Sinks{},
				Random: rand.Reader,
				Listen: nowhere,
				Now:    func() time.Time { return now },
			})
			if err != nil {
				t.Fatal(err)
			}
			h := r.Health(t.Context())
			if h.Status != c.want || !strings.Contains(strings.Join(h.Reasons, "\n"), c.part) || (len(h.Reasons) == 0) != (c.want == Serving) {
				t.Errorf("%+v, want %s because of %q", h, c.want, c.part)
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
		store, err := sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		api := sandbox.New(sandbox.Options{})
		api.Inject(-1, "temperror", nil)
		r, err := New(parse(t, oneRoute), Parts{Store: store, Sink: testLog{t}, Transport: api, Random: rand.Reader, Listen: nowhere})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.scheduler.Run(ctx) })
		for i := range 8 {
			env := &smtpd.Envelope{
				QueueID:  fmt.Sprint("Q", i),
				Client:   netip.MustParseAddr("127.0.0.1"),
				From:     "app@example.com",
				Rcpt:     []string{fmt.Sprintf("a%d@example.com", i)},
				Received: time.Now(),
			}
			if reply := r.Handle(ctx, env, []byte("Subject: x\r\n\r\nx\r\n")); reply.Code != 250 {
				t.Fatal(reply)
			}
		}
		<-time.After(10 * time.Second)
		if h := r.Health(ctx); h.Status != Degraded || len(h.Reasons) != 1 || !strings.HasPrefix(h.Reasons[0], "team shop is paused") || h.Pending != 8 {
			t.Errorf("in the outage %+v", h)
		}
		api.Clear()
		<-time.After(time.Minute)
		if h := r.Health(ctx); h.Status != Serving || h.Pending != 0 {
			t.Errorf("after it %+v", h)
		}
		stop()
		running.Wait()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The health socket answers its owner with the relay's health.
func TestHealthSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listening := sink{events.Listening, make(chan events.Event, 1)}
	r, err := New(parse(t, oneRoute), Parts{
		Store:        ill{Store: open(t), ping: spool.ErrFull},
		Sink:         listening,
		Random:       rand.Reader,
		HealthSocket: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-listening.got
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://relay"+HealthPath, nil)
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
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
