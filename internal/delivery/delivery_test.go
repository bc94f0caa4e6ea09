package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
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

// silent makes notices of nothing.
func silent(events.Event) []byte { return nil }

// until waits for the call to be cut.
func until(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// lane is a store with one request in one lane: enough to see what the scheduler
// makes of answers. The real stores have their own suite.
type lane struct {
	mu       sync.Mutex
	task     spool.Task
	due      time.Time
	begun    time.Time
	open     bool
	claimed  bool
	outcomes []spool.Outcome
	released int
	failing  int    // Finish fails so many times
	panics   int    // Finish panics so many times
	refuses  string // Finish fails for this queue id
	onClaim  func()
	reserved int // calls beyond the claims
	throttle spool.Throttle
	holdLog  []string            // holds and releases, in order
	asides   []spool.Destination // where heads step aside
	notices  []string            // notices for the webhook
	standing []spool.Hold
	places   []spool.Destination
	changed  bool // by another process
	stuck    int  // Release fails so many times
	handed   []spool.Task
	idle     bool // Handed says that Claim has nothing more
	claims   int  // calls of Claim
	content  spool.Content
}

func (l *lane) Content(context.Context, string) (spool.Content, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content, nil
}

func (l *lane) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holdLog = append(l.holdLog, fmt.Sprintf(format, args...))
}

func (l *lane) Reserve(_ context.Context, now time.Time, _ string, _ int) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved++
	return now, nil
}

func (l *lane) Throttle(_ context.Context, now time.Time, _ string, answer spool.TooMany) (spool.Throttle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.throttle = l.throttle.After(answer, now)
	return l.throttle, nil
}

func (l *lane) Throttled(context.Context, string) (spool.Throttle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.throttle, nil
}

func (l *lane) StepAside(_ context.Context, at spool.Destination) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asides = append(l.asides, at)
	return nil
}

func (l *lane) Hold(ctx context.Context, now time.Time, g spool.Hold, event []byte) error {
	_ = l.AddEvent(ctx, now, event)
	l.note("hold %v", g.Destination())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standing = append(l.standing, g)
	return nil
}

func (l *lane) Release(ctx context.Context, now time.Time, at spool.Destination, event []byte) (int, error) {
	if l.stuck > 0 {
		l.stuck--
		return 0, errors.New("disk full")
	}
	_ = l.AddEvent(ctx, now, event)
	l.note("release %v", at)
	l.mu.Lock()
	l.standing = slices.DeleteFunc(l.standing, func(h spool.Hold) bool { return h.Destination() == at })
	l.mu.Unlock()
	return l.MakeDue(ctx, now, at.Team)
}

func (l *lane) MakeDue(context.Context, time.Time, string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = time.Time{}
	return 1, nil
}

func (l *lane) AddEvent(_ context.Context, _ time.Time, event []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if event != nil {
		l.notices = append(l.notices, string(event))
	}
	return nil
}

func (l *lane) ClockChanged(ctx context.Context, now time.Time, team string) (int, error) {
	return l.MakeDue(ctx, now, team)
}

// change is what another process does.
func (l *lane) change(places ...spool.Destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places, l.changed = places, true
}

func (l *lane) ChangedExternally(context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.changed
	l.changed = false
	return changed, nil
}

func (l *lane) Destinations(context.Context) ([]spool.Destination, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places, nil
}

func (l *lane) Holds(context.Context) ([]spool.Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.standing), nil
}

func (l *lane) Claim(
	_ context.Context,
	now time.Time,
	_ time.Duration,
	rooms ...spool.Capacity,
) ([]spool.Task, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claims++
	if !l.open || l.claimed {
		return nil, time.Time{}, nil
	}
	if l.due.After(now) {
		return nil, l.due, nil
	}
	if l.onClaim != nil {
		l.onClaim()
	}
	l.claimed = true
	l.task.Attempt++
	if l.task.Attempt == 1 {
		l.task.TrialSince = now
	}
	l.begun = now
	return []spool.Task{l.task}, time.Time{}, nil
}

func (l *lane) Handed() ([]spool.Task, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tasks := l.handed
	l.handed = nil
	return tasks, !l.idle
}

func (l *lane) Withdraw(context.Context) ([]spool.Task, error) {
	tasks, _ := l.Handed()
	return tasks, nil
}

func (l *lane) Turn(
	ctx context.Context,
	now time.Time,
	outcomes []spool.Outcome,
	lease time.Duration,
	teams ...spool.Capacity,
) (spool.Turned, error) {
	l.mu.Lock()
	fails := l.failing > 0 || l.panics > 0 || l.refuses != ""
	l.mu.Unlock()
	if fails { // as Finish will
		return spool.Turned{}, errors.New("disk full")
	}
	ended, err := l.Finish(ctx, now, outcomes...)
	if len(teams) == 0 || err != nil {
		return spool.Turned{Ended: ended}, err
	}
	tasks, next, err := l.Claim(ctx, now, lease, teams...)
	return spool.Turned{Ended: ended, Tasks: tasks, Next: next}, err
}

func (l *lane) Finish(_ context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing > 0 {
		l.failing--
		return nil, errors.New("disk full")
	}
	if l.panics > 0 {
		l.panics--
		return nil, fmt.Errorf("%w: oops", spool.ErrPanic)
	}
	for _, o := range outcomes {
		if l.refuses != "" && o.Task.QueueID == l.refuses {
			return nil, errors.New("a rule is broken")
		}
	}
	l.outcomes = append(l.outcomes, outcomes...)
	for _, o := range outcomes {
		if o.Event != nil {
			l.notices = append(l.notices, string(o.Event))
		}
		l.claimed, l.open, l.due = false, o.State.Open(), o.Due
		l.task.Unknown, l.task.Call = (l.task.Unknown || o.Unknown) && !o.ProvenAbsent, o.NextCall
		if o.ProvenAbsent {
			l.task.Sends = nil
		}
		if o.Unknown {
			l.task.Sends = append(l.task.Sends, l.begun)
		}
		if o.RouteRefused {
			l.task.RouteRefusedAt = now
		}
	}
	return make([]spool.Finished, len(outcomes)), nil
}

func (l *lane) Unclaim(_ context.Context, tasks ...spool.Task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released += len(tasks)
	l.claimed = false
	return nil
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

func newLane() *lane {
	return &lane{
		open: true,
		task: spool.Task{
			Request: 1,
			QueueID: "Q",
			LocalID: "L",
			Route:   "support",
			Team:    "shop",
			Inbox:   202,
			To:      []string{"ann@example.com"},
			Title:   "T",
			HTML:    "<p>x</p>",
			Text:    "x",
		},
	}
}

const sentBody = `{"id":9,"convo_id":7,"queued":true}`

func TestSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, a := newLane(), &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		rec := run(t, l, a, time.Minute)
		if len(l.outcomes) != 1 {
			t.Fatalf("%d outcomes", len(l.outcomes))
		}
		if o := l.outcomes[0]; o.State != spool.Sent || o.ConvoID != 7 || o.MessageID != 9 || o.APIID != "req-1" ||
			o.Status != 200 {
			t.Errorf("outcome %+v", o)
		}
		if fmt.Sprint(rec.kind) != "[sent]" {
			t.Errorf("events %v", rec.kind)
		}
	})
}

// What an answer means for a request that was tried for the first time.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  func(*http.Request) (*http.Response, error)
		state   spool.State
		unknown bool
		wait    time.Duration
	}{
		{"200 not queued", answer(200, `{"id":9,"convo_id":7,"queued":false}`), spool.Flagged, false, 0},
		{"200 of a captive portal", answer(200, `<html>`), spool.Deferred, true, time.Second},
		{"302", answer(302, ``, "Location", "https://elsewhere.example"), spool.Deferred, false, 0},
		{"400", answer(400, `{"error":"bad_data"}`), spool.Failed, false, 0},
		{"413", answer(413, `{"error":"too large"}`), spool.Failed, false, 0},
		{"422", answer(422, `{"error":"no"}`), spool.Failed, false, 0},
		{"400 of a proxy", answer(400, `<html>`), spool.Deferred, false, time.Second},
		{"401", answer(401, `{"error":"who"}`), spool.Deferred, false, 0},
		{"403", answer(403, `{"error":"no"}`), spool.Deferred, false, 30 * time.Second},
		{"404", answer(404, `{"error":"no"}`), spool.Deferred, false, time.Second},
		{"408", answer(408, ``), spool.Deferred, true, time.Second},
		{"429", answer(429, `{}`), spool.Deferred, false, time.Second},
		{"429 with Retry-After", answer(429, `{}`, "Retry-After", "90"), spool.Deferred, false, 90 * time.Second},
		{"429, long Retry-After", answer(429, `{}`, "Retry-After", "999999"), spool.Deferred, false, time.Hour},
		{"500", answer(500, `{}`), spool.Deferred, true, time.Second},
		{"503 with Retry-After", answer(503, `{}`, "Retry-After", "90"), spool.Deferred, true, 90 * time.Second},
		{"time-out", until, spool.Deferred, true, 31 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				l.due = time.Now().Add(-time.Second)
				run(
					t,
					l,
					&answers{list: []func(*http.Request) (*http.Response, error){c.answer, until}},
					31*time.Second,
				)
				o := l.outcomes[0]
				if o.State != c.state || o.Unknown != c.unknown {
					t.Errorf("state %v, unknown %v, want %v, %v: %s", o.State, o.Unknown, c.state, c.unknown, o.Reason)
				}
				if o.State == spool.Deferred && o.Due.Sub(l.task.TrialSince) != c.wait {
					t.Errorf("again after %v, want %v", o.Due.Sub(l.task.TrialSince), c.wait)
				}
			})
		})
	}
}

func TestBackOffDoublesToItsLimit(t *testing.T) {
	s := New(
		Options{
			Setup: always(Setup{
				Event:        silent,
				RetryInitial: time.Second,
				RetryMax:     time.Minute,
			}),
			Jitter: func() float64 { return 0 },
		},
	)
	for attempt, want := range map[int]time.Duration{
		1:    time.Second,
		2:    2 * time.Second,
		6:    32 * time.Second,
		7:    time.Minute,
		1000: time.Minute,
	} {
		if got := s.backOff(attempt); got != want {
			t.Errorf("after attempt %d: %v, want %v", attempt, got, want)
		}
	}
	s.o.Jitter = func() float64 { return 0.999 }
	if got := s.backOff(7); got < 30*time.Second || got > 31*time.Second {
		t.Errorf("jitter takes off %v of a minute, want just under half", time.Minute-got)
	}
}

// The same bytes and local_id over all attempts.
func TestARetryRepeatsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		a := &answers{
			list: []func(*http.Request) (*http.Response, error){
				answer(500, `{}`),
				answer(503, `{}`),
				answer(200, sentBody),
			},
		}
		run(t, l, a, time.Minute)
		if len(a.calls) != 3 || a.calls[0] != a.calls[1] || a.calls[1] != a.calls[2] ||
			!strings.Contains(a.calls[0], `"local_id":"L"`) {
			t.Errorf("calls %q", a.calls)
		}
		if d := a.begun[2].Sub(a.begun[0]); d != 3*time.Second {
			t.Errorf("third attempt after %v, want 1 s + 2 s", d)
		}
	})
}

// A search that failed or did not come to its end decides nothing: the same call
// with the same local_id may, as long as the API remembers that.
func TestAnIncompleteSearchIsFollowedBySend(t *testing.T) {
	for name, search := range map[string]func(*http.Request) (*http.Response, error){
		"half":   answer(200, `[{"id":1,"local_id":"other"}]`),
		"failed": answer(418, `{"error":"teapot"}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				a := &answers{
					list: []func(*http.Request) (*http.Response, error){
						answer(409, `{"error":"conflict"}`),
						search,
						answer(200, sentBody),
					},
				}
				run(t, l, a, time.Minute)
				if len(l.outcomes) != 3 || len(a.calls) != 3 || a.calls[2] != a.calls[0] {
					t.Fatalf("%d outcomes, calls %q", len(l.outcomes), a.calls)
				}
				if o := l.outcomes[0]; !o.Unknown || o.NextCall != spool.FindMessage {
					t.Errorf("after a 409: unknown %v, next %v", o.Unknown, o.NextCall)
				}
				if o := l.outcomes[1]; o.ProvenAbsent || o.NextCall != spool.Send {
					t.Errorf("after that search: known %v, next %v", o.ProvenAbsent, o.NextCall)
				}
				if o := l.outcomes[2]; o.State != spool.Sent {
					t.Errorf("in the end it is %v", o.State)
				}
			})
		})
	}
}

// Credentials that are refused hold the team; its probe is no message.
func TestDeniedHoldsTheTeam(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		no, yes := answer(401, `{"error":"who"}`), answer(200, sentBody)
		inboxes := answer(200, `[{"id":202,"members":[55]}]`)
		a := &answers{list: []func(*http.Request) (*http.Response, error){no, no, inboxes, yes}}
		rec := run(t, l, a, time.Minute)
		if got := fmt.Sprint(l.holdLog); got != `[hold {shop  0} release {shop  0}]` {
			t.Errorf("gates %s", got)
		}
		if len(a.calls) != 4 || a.calls[1] != "" || a.calls[2] != "" || l.reserved != 2 {
			t.Errorf("calls %q, %d spent on probes", a.calls, l.reserved)
		}
		if got := fmt.Sprint(rec.kind); got != "[held deferred released sent]" {
			t.Errorf("events %s", got)
		}
	})
}

// A 400 proves nothing where an earlier attempt may have been carried out.
func TestUnknownIsNotFailedByA400(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		run(
			t,
			l,
			&answers{
				list: []func(*http.Request) (*http.Response, error){
					answer(500, `{}`),
					answer(400, `{"error":"x"}`),
					answer(200, `[]`),
				},
			},
			30*time.Second,
		)
		for _, o := range l.outcomes {
			if o.State == spool.Failed {
				t.Errorf("failed: %s", o.Reason)
			}
		}
	})
}

func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		run(t, l, &answers{list: []func(*http.Request) (*http.Response, error){answer(429, `{}`)}}, 48*time.Hour)
		last := l.outcomes[len(l.outcomes)-1]
		if last.State != spool.Failed || !strings.Contains(last.Reason, "expired after") {
			t.Errorf("after two days: %v %s", last.State, last.Reason)
		}
		if d := time.Since(l.task.TrialSince); d < 24*time.Hour {
			t.Errorf("given up after %v", d)
		}
	})
}

// What the API answered is not lost because the disk is full for a while.
func TestAnAnswerIsRecordedInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.failing = 3
		a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		run(t, l, a, time.Minute)
		if len(l.outcomes) != 1 || l.outcomes[0].State != spool.Sent || len(a.calls) != 1 {
			t.Errorf("%d outcomes of %d calls", len(l.outcomes), len(a.calls))
		}
	})
}

// One outcome that the store cannot take does not hold up the others.
func TestOneBadOutcomeHurtsNobody(t *testing.T) {
	l := &lane{open: true, refuses: "Q2"}
	s := New(Options{
		Setup: always(Setup{Event: silent}),
		Store: l,
		Now:   time.Now,
		Sink:  &recorder{},
	})
	s.ctx = t.Context()
	var all []spool.Outcome
	for _, id := range []string{"Q1", "Q2", "Q3"} {
		all = append(all, spool.Outcome{Task: spool.Task{QueueID: id}, State: spool.Sent})
	}
	if left := s.finish(all); len(left) != 1 || left[0].Task.QueueID != "Q2" || len(l.outcomes) != 2 {
		t.Errorf("left %+v, recorded %d", left, len(l.outcomes))
	}
}

// A call under way when Run is to stop may end; after Grace it is cut, and
// its outcome is unknown.
func TestStop(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes time.Duration
		state spool.State
	}{{"in time", 4 * time.Second, spool.Sent}, {"too late", 6 * time.Second, spool.Deferred}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLane()
				slow := func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(c.takes):
						return answer(200, sentBody)(r)
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				}
				run(t, l, &answers{list: []func(*http.Request) (*http.Response, error){slow}}, time.Millisecond)
				if len(l.outcomes) != 1 || l.outcomes[0].State != c.state ||
					l.outcomes[0].Unknown != (c.state == spool.Deferred) {
					t.Errorf("outcomes %+v", l.outcomes)
				}
			})
		})
	}
}

// What was claimed while Run was to stop is given back untouched.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		l := newLane()
		l.onClaim = stop
		a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		client, err := heymarket.New(heymarket.Options{APIKey: "key", Transport: a})
		if err != nil {
			t.Fatal(err)
		}
		New(Options{
			Setup: always(Setup{
				Event: silent,
				Teams: map[string]Team{"shop": {Client: client, Rate: 500, Concurrency: 8}},
			}),
			Store: l,
			Sink:  &recorder{},
			Now:   time.Now,
		}).Run(ctx)
		if l.released != 1 || len(a.calls) != 0 {
			t.Errorf("%d given back, %d calls", l.released, len(a.calls))
		}
	})
}

func TestHighHasCallsOfItsOwn(t *testing.T) {
	s := New(Options{
		Setup: always(Setup{
			Event: silent,
			Teams: map[string]Team{"shop": {Rate: 500, Concurrency: 16}},
		}),
		Now: time.Now,
	})
	s.team("shop").active = 10
	if r := rooms(s)[0]; r.Free != 4 || r.High != 2 {
		t.Errorf("room %+v, want 4 for all and 2 for high", r)
	}
	s.team("shop").active = 16
	if r := rooms(s); r != nil {
		t.Errorf("room %+v where there is none", r)
	}
}

// The bodies of active calls are bounded: large messages wait for one another.
func TestBodiesAreBounded(t *testing.T) {
	options := Team{Rate: 500, Concurrency: 16}
	s := New(Options{
		Setup: always(Setup{Event: silent, Bodies: 100, Teams: map[string]Team{"shop": options, "bank": options}}),
		Sink:  &recorder{},
		Now:   time.Now,
	})
	large := spool.Outcome{
		State: spool.Sent,
		Task:  spool.Task{Team: "shop", HTML: strings.Repeat("a", 60), Text: strings.Repeat("b", 20)},
	}
	s.bodies = large.Task.Bodies()
	if r := rooms(s); len(r) != 2 || r[0].Bodies != 10 || r[1].Bodies != 10 {
		t.Errorf("rooms %+v, want ten octets for each team", r)
	}
	s.bodies = 2 * large.Task.Bodies()
	if r := rooms(s); r != nil {
		t.Errorf("room %+v where there is none", r)
	}
	if r, _ := s.capacities(context.Background(), []spool.Outcome{large}); len(r) != 2 || r[0].Bodies != 10 {
		t.Errorf("room %+v once one of two has ended", r)
	}
	s.finished([]spool.Outcome{large}, []spool.Finished{{}}, time.Now())
	if s.bodies != large.Task.Bodies() {
		t.Errorf("%d octets are active", s.bodies)
	}
}

func rooms(s *Scheduler) []spool.Capacity {
	r, _ := s.capacities(context.Background(), nil)
	return r
}

func TestEmailSaysTheSubjectOfAReply(t *testing.T) {
	m := Email(
		spool.Task{
			ConvoID:       7,
			Subject:       "Fire <out>",
			HTML:          "<body><p>x</p></body>",
			SubjectOffset: 6,
			Text:          "x",
			Title:         "T",
			To:            []string{"a@x"},
		},
		55,
	)
	if m.Text != "<body><p>Subject: Fire &lt;out&gt;</p>\n<p>x</p></body>" || m.RawText != "Subject: Fire <out>\n\nx" {
		t.Errorf("bodies %q and %q", m.Text, m.RawText)
	}
	if m.ConvoID != 7 || m.Targets != nil || m.ConvTitle != "" {
		t.Errorf("a reply with %v %q", m.Targets, m.ConvTitle)
	}
}

// After the clock was set back, a search by time looks at a time in which nothing
// was sent: that it finds nothing proves nothing.
func TestSearchOfAnotherTime(t *testing.T) {
	now := time.Now()
	s := New(
		Options{
			Setup: always(Setup{
				RetryInitial:  time.Second,
				RetryMax:      time.Hour,
				Expire:        time.Hour,
				LocalIDMemory: time.Hour,
			}),
			Now:    func() time.Time { return now },
			Jitter: func() float64 { return 0 },
		},
	)
	task := spool.Task{
		Call:       spool.FindMessage,
		Attempt:    2,
		Unknown:    true,
		TrialSince: now,
		Sends:      []time.Time{now.Add(-2 * time.Hour), now.Add(time.Hour)},
	}
	o := s.judge(result{task: task, search: heymarket.Search{Complete: true}})
	if o.ProvenAbsent || o.State != spool.Deferred || o.NextCall != spool.Send || o.Due.Sub(now) != 2*time.Second {
		t.Errorf("outcome %+v, want the same call once more", o)
	}
}

// A call that was under way when the clock was set ahead a year has not been tried
// for a year.
func TestClockSetUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set atomic.Int64
		ahead := func(r *http.Request) (*http.Response, error) {
			set.Store(int64(365 * 24 * time.Hour))
			return answer(429, `{}`)(r)
		}
		l, a := newLane(), &answers{list: []func(*http.Request) (*http.Response, error){ahead, answer(200, sentBody)}}
		rec := runWith(t, l, a, time.Minute, func(o *Options, _ *Setup) {
			o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(set.Load())) }
		})
		if got := fmt.Sprint(rec.kind); got != "[error held deferred sent]" {
			t.Errorf("events %s", got)
		}
	})
}
