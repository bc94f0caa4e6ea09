package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

const clockConfig = `
hostname: relay.example.com
teams: {shop: {api_key: "${KEY}", rate: 500/min}}
routes: [{name: mail, inbox: 202, creator_id: 55}]
delivery: {expire: 30m}
retention: {content: 1h, sent: 2h, failed: 2h, threads: 30d}
`

// TestClock has the clock set while calls are under way, while messages wait for
// their next attempt, and while an API that fails is tried again. Nothing is lost,
// doubled or given up because of it, nothing waits for another clock's time, and
// what was accepted just now is not thrown away.
func TestClock(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for name, sets := range map[string][]time.Duration{
		"back an hour":            {-time.Hour},
		"back most of an hour":    {-55 * time.Minute}, // less than retry_max, the longest sleep
		"ahead an hour":           {time.Hour},
		"ahead a year":            {year},
		"ahead a year, and back":  {year, -year},
		"back a year":             {-year},
		"back an hour, and ahead": {-time.Hour, time.Hour},
	} {
		// A definite answer, and an unknown outcome.
		for _, fault := range []sandbox.Fault{sandbox.Throttle, sandbox.TempError} {
			t.Run(name+", "+string(fault), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					options := sandbox.Options{RatePerMinute: sandbox.APIRate, Latency: 5 * time.Second}
					w := &watch{t: t, api: sandbox.New(options)}
					w.run(dir, fault, sets)
				})
			})
		}
	}
}

// watch is a relay and its clock.
type watch struct {
	t      *testing.T
	api    *sandbox.Sandbox
	relay  *relay.Relay
	set    atomic.Int64 // how far the clock is off
	handed int
}

func (w *watch) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.set.Load())) }

func (w *watch) run(dir string, fault sandbox.Fault, sets []time.Duration) {
	g, store := buildAt(w.t, dir, clockConfig, w.api, 1, w.now)
	w.relay = g
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := g.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	w.api.Inject(-1, fault, func(c sandbox.Call) bool { return strings.Contains(string(c.Body), "late") })
	w.hand(10, "soon") // are sent before
	w.hand(10, "late")
	<-time.After(18 * time.Second) // many sleep, after two attempts
	for _, by := range sets {
		w.hand(10, "late") // their calls are under way
		w.hand(10, "soon")
		<-time.After(3 * time.Second)
		w.set.Add(int64(by))
		<-time.After(20 * time.Second)
	}
	w.api.Clear()
	w.hand(10, "soon") // the budget lets them pass
	<-time.After(3 * time.Minute)
	w.arrived()
	<-time.After(30 * time.Minute) // the relay looks for what need not be kept
	w.known(store)
	stop()
	running.Wait()
	if err := store.Check(context.Background()); err != nil {
		w.t.Error(err)
	}
	if err := store.Close(); err != nil {
		w.t.Error(err)
	}
}

// hand hands over n messages at once.
func (w *watch) hand(n int, what string) {
	w.t.Helper()
	var clients sync.WaitGroup
	for i := w.handed; i < w.handed+n; i++ {
		clients.Go(func() {
			to := fmt.Sprintf("u%d@example.com", i)
			env := &smtpd.Envelope{
				QueueID: fmt.Sprintf("Q%d", i), Client: netip.MustParseAddr("127.0.0.1"), Received: w.now(),
				From: "app@example.com", Rcpt: []string{to},
			}
			text := fmt.Sprintf("To: %s\r\nSubject: Mail\r\nMessage-ID: <%d@clock>\r\n\r\n%d %s\r\n", to, i, i, what)
			if r := w.relay.Handle(w.t.Context(), env, []byte(text)); r.Code != 250 {
				w.t.Errorf("message %d: %d %s", i, r.Code, r.Text)
			}
		})
	}
	clients.Wait()
	w.handed += n
}

// arrived sees that the API has each message once.
func (w *watch) arrived() {
	times := make([]int, w.handed)
	for _, m := range w.api.Messages() {
		var r struct {
			RawText string `json:"raw_text"`
		}
		if err := json.Unmarshal(m.Request, &r); err != nil {
			w.t.Fatal(err)
		}
		var i int
		if _, err := fmt.Sscan(r.RawText, &i); err != nil {
			w.t.Fatal(err)
		}
		times[i]++
	}
	for i, n := range times {
		if n != 1 {
			w.t.Errorf("message %d arrived %d times", i, n)
		}
	}
}

// known sees that every message can still be looked up, and was sent.
func (w *watch) known(r spool.Reader) {
	for i := range w.handed {
		story, err := r.Show(w.t.Context(), fmt.Sprintf("Q%d", i))
		if err != nil {
			w.t.Errorf("message %d: %v", i, err)
		} else if state := story.Requests[0].State; state != "sent" {
			w.t.Errorf("message %d is %s: %s", i, state, story.Requests[0].Reason)
		}
	}
}
