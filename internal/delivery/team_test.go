package delivery

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// A breaker stays open while only look-ups are answered: it closes with an answer to
// a send.
func TestBreakerClosesWithASend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		s := New(Options{
			Setup: always(Setup{
				Event:    silent,
				RetryMax: time.Hour,
			}),
			Store: l,
			Now:   time.Now,
			Sink:  &recorder{},
		})
		s.ctx = t.Context()
		down := &heymarket.Error{Class: heymarket.Again, Status: 500, Unknown: true, Reason: "down"}
		for i := range 12 { // of four messages
			s.noteAnswer(&result{task: &spool.Task{Team: "shop", QueueID: fmt.Sprint(i % 4)}, problem: down})
		}
		if !s.CanSend("shop", "support") {
			t.Fatal("four messages that fail again and again opened the breaker")
		}
		s.noteAnswer(&result{task: &spool.Task{Team: "shop", QueueID: "another"}, problem: down})
		if s.CanSend("shop", "support") {
			t.Fatal("the breaker is closed after failures of five messages in a row")
		}
		s.noteAnswer(&result{task: &spool.Task{Team: "shop", Call: spool.CheckConversation}})
		if s.CanSend("shop", "support") {
			t.Error("an answer to a look-up closed the breaker")
		}
		if until := s.holds.breaker("shop").pause.until; until.After(time.Now()) {
			t.Errorf("after an answer the next call waits for %v", time.Until(until))
		}
		s.noteAnswer(&result{task: &spool.Task{Team: "shop"}})
		if !s.CanSend("shop", "support") {
			t.Error("an answer to a send did not close the breaker")
		}
	})
}

// While a breaker is open, a request comes again at the next probe, but for one that was asked to wait longer.
func TestBreakerHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{
			Setup: always(shop(t, &answers{})), Store: newLane(), Now: time.Now, Sink: &recorder{},
			Jitter: func() float64 { return 0 },
		})
		s.ctx = t.Context()
		s.openBreaker("shop", "down")
		for asked, want := range map[time.Duration]time.Duration{
			0: firstProbe, 10 * time.Minute: 10 * time.Minute, 48 * time.Hour: time.Hour,
		} {
			task := &spool.Task{Team: "shop", Attempt: 20, TrialSince: time.Now()}
			o := s.retry(spool.Outcome{Task: task}, asked)
			if got := time.Until(o.Due); o.State != spool.Deferred || got != want {
				t.Errorf("asked to wait for %v it waits for %v, want %v", asked, got, want)
			}
		}
	})
}

// A breaker closes where no message is left to try with: all may have expired, or an operator dropped or holds them.
func TestBreakerWithoutMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, rec := newLane(), &recorder{}
		s := New(Options{Setup: always(shop(t, &answers{})), Store: l, Now: time.Now, Sink: rec})
		s.ctx = t.Context()
		l.places = []spool.Destination{{Team: "shop", Route: "support", Inbox: 202}}
		s.team("shop")
		s.openBreaker("shop", "down")
		s.endTries()
		if s.CanSend("shop", "support") || s.Responds("shop") {
			t.Error("it is closed while a message is pending")
		}
		l.places = nil
		s.endTries()
		if last := rec.all[len(rec.all)-1]; !s.CanSend("shop", "support") || last.Kind != events.Released {
			t.Errorf("it is open, after %+v", last)
		}
		l.places = []spool.Destination{{Team: "shop", Route: "support", Inbox: 202}}
		l.kept = true
		s.openBreaker("shop", "down")
		s.hold(spool.Hold{Team: "shop", Reason: "401"})
		s.team("shop").trying = true
		s.endTries()
		if !s.CanSend("shop", "support") {
			t.Error("with each message held by itself, its team is held, or its breaker is open")
		}
		l.kept = false
		for _, h := range []spool.Hold{
			{Team: "shop", Route: "support"},
			{Team: "shop", Route: "support", Operator: true},
			{Team: "shop", Operator: true},
		} {
			s.holds = holds{}
			s.openBreaker("shop", "down")
			s.remember(h)
			s.endTries()
			if closed := s.holds.breaker("shop") == nil; closed != h.Operator {
				t.Errorf("with the hold %+v of all mail, it is closed: %t", h, closed)
			}
		}
		s.openBreaker("shop", "down")
		l.standing = []spool.Hold{{Team: "shop", Operator: true}}
		s.clock = spool.NewClock(time.Now)
		s.round(t.Context(), t.Context(), nil, true)
		if s.holds.breaker("shop") != nil {
			t.Error("where nothing can be claimed, it stays open")
		}
	})
}

// A search covers the time around each send of unknown outcome, and no more; after a backup was
// restored, also the time between.
func TestWindows(t *testing.T) {
	s := &Setup{Timeout: 30 * time.Second}
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes float64) time.Time { return start.Add(time.Duration(minutes * float64(time.Minute))) }
	for _, c := range []struct {
		sends    []time.Time
		restored bool
		want     []window
	}{
		{nil, false, nil},
		{[]time.Time{at(0)}, false, []window{{at(-1), at(1.5)}}},
		{[]time.Time{at(0), at(1), at(3)}, false, []window{{at(-1), at(4.5)}}},
		{[]time.Time{at(0), at(180)}, false, []window{{at(179), at(181.5)}, {at(-1), at(1.5)}}},
		{[]time.Time{at(0), at(180)}, true, []window{{at(-1), at(181.5)}}},
	} {
		if got := s.windows(c.sends, c.restored); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.sends, got, c.want)
		}
	}
}

// A panic in a call fails its request, loudly, and no other.
func TestAPanicFailsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		a := &answers{
			list: []func(*http.Request) (*http.Response, error){
				func(*http.Request) (*http.Response, error) { panic("oops") },
			},
		}
		rec := run(t, l, a, time.Hour)
		if len(l.outcomes) != 1 || len(a.calls) != 1 {
			t.Fatalf("%d outcomes of %d calls, want one", len(l.outcomes), len(a.calls))
		}
		if o := l.outcomes[0]; o.State != spool.Failed || !o.Unknown ||
			!strings.Contains(o.Reason, "panicked in the call: oops") {
			t.Errorf("%v, unknown %v: %s", o.State, o.Unknown, o.Reason)
		}
		if rec.all[0].Kind != events.Error || !strings.Contains(fmt.Sprint(rec.all[0].Err), "team_test.go") {
			t.Errorf("the first event is %+v, want an error with the stack", rec.all[0])
		}
	})
}

// What could not be read from the spool is not sent, and fails. The log says whether heyrelay is to blame, or the
// disk.
func TestUnreadable(t *testing.T) {
	for blame, err := range map[string]error{
		"a bug in heyrelay": fmt.Errorf("%w: index out of range\nstack", spool.ErrPanic),
		"check the disk":    errors.New("its checksum is wrong"),
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLane()
			l.task.Unreadable = err
			a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
			rec := run(t, l, a, time.Hour)
			if len(a.calls) != 0 || len(l.outcomes) != 1 {
				t.Fatalf("%d calls, %d outcomes", len(a.calls), len(l.outcomes))
			}
			reason, _, _ := strings.Cut(err.Error(), "\n")
			if o := l.outcomes[0]; o.State != spool.Failed || o.Unknown || !strings.Contains(o.Reason, reason) {
				t.Errorf("%v, unknown %v: %s", o.State, o.Unknown, o.Reason)
			}
			if e := rec.all[0]; e.Kind != events.Error || !strings.Contains(e.Reason, blame) {
				t.Errorf("the log has %v %q first, want an error with %q", e.Kind, e.Reason, blame)
			}
		})
	}
}

// An outcome that panics in the store is recorded as a plain failure.
func TestAnOutcomeThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.panics = 1
		a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		run(t, l, a, time.Minute)
		if len(l.outcomes) != 1 || l.outcomes[0].State != spool.Failed || !l.outcomes[0].Unknown {
			t.Errorf("outcomes %+v, want one failure that may have been delivered", l.outcomes)
		}
	})
}

// No pause is shorter than retry_initial, and none is longer than retry_max.
func TestBackOffNeverOverflows(t *testing.T) {
	for _, first := range []time.Duration{time.Second, 5 * time.Second, time.Minute, time.Hour, 100 * time.Hour} {
		longest := max(first, time.Hour)
		s := New(Options{
			Setup: always(Setup{
				RetryInitial: first,
				RetryMax:     longest,
			}),
			Jitter: func() float64 { return 0 },
		})
		for attempt := 1; attempt < 200; attempt++ {
			if d := s.backOff(attempt); d < first || d > longest {
				t.Fatalf("retry_initial %v: after attempt %d a pause of %v", first, attempt, d)
			}
		}
	}
}

// A held destination lets others pass: at once where only the configuration ends the
// hold, and after lane_patience where a probe does.
func TestHeldHeadsStepAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		route := spool.Hold{Team: "shop", Route: "support", Since: time.Now()}
		gone := spool.Hold{Team: "shop", Route: "gone", Inbox: 202, Since: time.Now()}
		l := &lane{standing: []spool.Hold{route, gone}, places: []spool.Destination{gone.Destination()}}
		idle(t, l, time.Minute)
		if want := []spool.Destination{gone.Destination()}; !slices.Equal(l.asides, want) {
			t.Errorf("after a minute heads of %v step aside, want %v", l.asides, want)
		}
		l.asides = nil
		idle(t, l, time.Hour)
		if !slices.Contains(l.asides, route.Destination()) || len(l.asides) != 2 {
			t.Errorf("after an hour heads of %v step aside, want both", l.asides)
		}
	})
}

// What an operator releases beside the process is not held any more.
func TestReleasedByAnOperator(t *testing.T) {
	l := &lane{standing: []spool.Hold{{Team: "shop", Route: "support"}, {Team: "shop"}}}
	s := New(Options{
		Setup: always(Setup{
			Event:   silent,
			HoldMax: time.Hour,
		}),
		Store: l,
		Now:   time.Now,
		Sink:  &recorder{},
	})
	s.ctx = t.Context()
	if !s.syncHolds() || s.CanSend("shop", "support") {
		t.Fatal("the stored holds are not adopted")
	}
	if !s.Responds("shop") {
		t.Error("a team that is held counts as one whose calls fail")
	}
	l.standing = l.standing[:1]
	if !s.syncHolds() || s.CanSend("shop", "support") || !s.CanSend("shop", "other") {
		t.Error("the hold of the team stands, or that of the route does not")
	}
	l.standing = nil
	if !s.syncHolds() || !s.CanSend("shop", "support") {
		t.Error("the hold of the route stands")
	}
}
