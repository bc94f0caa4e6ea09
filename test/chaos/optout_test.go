package chaos

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

// optOutEach is how many contacts there are for one that has opted out.
const optOutEach = 50

func optedOut(address string) bool { return strings.HasPrefix(address, "out") }

// misfortunes are faults that lead to searches, and answers 429.
var misfortunes = map[sandbox.Fault]float64{
	sandbox.DropAfter: .01, sandbox.Conflict: .005, sandbox.TempError: .01, sandbox.Throttle: .002,
}

// slowPages is an API that takes long for each page of its history.
type slowPages struct{ http.RoundTripper }

func (s slowPages) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/messages/all") {
		select {
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return s.RoundTripper.RoundTrip(r)
}

// holdsOfRoutes counts the routes that were held, and keeps the last reason.
type holdsOfRoutes struct {
	mu     sync.Mutex
	n      int
	reason string
	lost   int // claims
}

func (h *holdsOfRoutes) Record(e events.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case e.Kind == events.Held && e.Route != "":
		h.n++
		h.reason = e.Reason
	case e.Kind == events.Anomaly:
		h.lost++
	}
}

// TestOptOuts sends to many contacts, of whom one in fifty has opted out, while
// answers get lost, searches are slow, and some calls are too many. Each message to a
// contact that has opted out fails and is reported, each other one arrives once, and
// no route is held.
func TestOptOuts(t *testing.T) {
	t.Parallel()
	t.Logf("repeat with: go test ./test/chaos -run TestOptOuts -args -seed %d -messages %d", *seed, *messages)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		api := sandbox.New(sandbox.Options{
			Chance:     misfortunes,
			Seed:       *seed,
			OptedOut:   optedOut,
			RetryAfter: 20 * time.Second,
		})
		held := &holdsOfRoutes{}
		g, store := buildOptOuts(t, dir, api, held)
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		for i := range *messages {
			handTo(t, g, i)
			<-time.After(100 * time.Millisecond)
		}
		began := time.Now()
		for waiting(t, store) > 0 && time.Since(began) < 24*time.Hour {
			<-time.After(time.Minute)
		}
		t.Logf("%v of simulated time, %+v", time.Since(began), api.Stats())
		if *messages >= 5000 && api.Stats().Throttled == 0 { // two in 1,000 calls
			t.Error("no call was answered 429")
		}
		stop()
		running.Wait()
		compareOptOuts(t, store, api)
		if held.n > 0 || held.lost > 0 {
			t.Errorf("%d holds of routes, the last: %s; %d claims were lost", held.n, held.reason, held.lost)
		}
		if err := store.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func buildOptOuts(t *testing.T, dir string, api *sandbox.Sandbox, sink events.Sink) (*relay.Relay, *sqlite.Store) {
	t.Helper()
	text := configuration() + "bounces: {smarthost: \"smtp://127.0.0.1:25\"}\n"
	environment := func(string) (string, bool) { return sandbox.DemoAPIKey, true }
	cfg, err := config.Parse("chaos", []byte(text), environment)
	if err != nil {
		t.Fatal(err)
	}
	limits := sqlite.Limits{MaxWait: delivery.MaxWait(cfg.Delivery.RetryMax.Std())}
	options := sqlite.Options{Limits: func() sqlite.Limits { return limits }}
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	g, err := relay.New(cfg, relay.Parts{
		Store:     store,
		Sink:      sink,
		Transport: slowPages{api},
		Random:    newChance(*seed),
		Jitter:    func() float64 { return 0.5 },
		Listen:    nowhere,
		Dial:      unreachable,
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, store
}

// handTo hands over a message to contact i.
func handTo(t *testing.T, g *relay.Relay, i int) {
	t.Helper()
	to := fmt.Sprintf("c%d@example.com", i)
	if i%optOutEach == 0 {
		to = fmt.Sprintf("out%d@example.com", i)
	}
	env := &smtpd.Envelope{
		QueueID:  fmt.Sprintf("Q%d", i),
		Client:   netip.MustParseAddr("127.0.0.1"),
		Received: time.Now(),
		From:     fmt.Sprintf("s%d@example.com", i/optOutEach%routes),
		Rcpt:     []string{to},
		DSN:      make([]smtpd.DSN, 1),
	}
	text := fmt.Sprintf("To: %s\r\nSubject: Mail\r\nMessage-ID: <%d@chaos>\r\n\r\n%d\r\n", to, i, i)
	if r := g.Handle(t.Context(), env, []byte(text)); r.Code != 250 {
		t.Fatalf("message %d: %d %s", i, r.Code, r.Text)
	}
}

// compareOptOuts compares what arrived, and what is to be reported, with who has opted
// out.
func compareOptOuts(t *testing.T, store *sqlite.Store, api *sandbox.Sandbox) {
	t.Helper()
	arrived := map[string]int{}
	for _, m := range api.Messages() {
		arrived[string(m.Request)]++
	}
	if sent := *messages - optOuts(); len(arrived) != sent || len(api.Messages()) != sent {
		t.Errorf("%d messages arrived, %d of them different, want %d", len(api.Messages()), len(arrived), sent)
	}
	list, err := store.List(t.Context(), spool.Filter{Limit: *messages + 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		want := spool.Sent
		if optedOut(e.To[0]) {
			want = spool.Failed
		}
		if e.State != want.String() {
			t.Errorf("%s to %s is %s, want %s: %s", e.QueueID, e.To[0], e.State, want, e.Reason)
		}
	}
	due, _, err := store.Notices(t.Context(), time.Now().Add(2*time.Hour), time.Minute, spool.Mail, *messages)
	if err != nil || len(due) != optOuts() {
		t.Errorf("%d reports are pending (%v), want %d", len(due), err, optOuts())
	}
}

func optOuts() int { return (*messages + optOutEach - 1) / optOutEach }
