package delivery

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Which outcomes are reported to the sender (RFC 3461, section 5.2).
func TestReport(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ask := func(what ...string) spool.Task {
		none := spool.DSN{Notify: []string{spool.NotifyNever}}
		return spool.Task{Sender: "a@x", DSN: []spool.DSN{none, {Notify: what}}}
	}
	aged := func(t spool.Task, age time.Duration) spool.Task {
		t.Accepted = now.Add(-age)
		return t
	}
	plain := spool.Task{Sender: "a@x"}
	late := aged(ask(spool.NotifyDelay), 5*time.Hour)
	reported := late
	reported.Delayed = true
	for name, c := range map[string]struct {
		task  spool.Task
		state spool.State
		off   bool
		want  spool.Action
	}{
		"a failure, by default":               {plain, spool.Failed, false, spool.FailedAction},
		"a failure, no smarthost":             {plain, spool.Failed, true, ""},
		"a failure of a report":               {spool.Task{}, spool.Failed, false, ""},
		"a failure of a device":               {spool.Task{Sender: "root"}, spool.Failed, false, ""},
		"a failure, requested by one":         {ask(spool.NotifyFailure), spool.Failed, false, spool.FailedAction},
		"a failure, NEVER":                    {ask(spool.NotifyNever), spool.Failed, false, ""},
		"sent, by default":                    {plain, spool.Sent, false, ""},
		"sent, requested":                     {ask(spool.NotifySuccess), spool.Sent, false, spool.RelayedAction},
		"flagged, success requested":          {ask(spool.NotifySuccess), spool.Flagged, false, ""},
		"a delay, by default":                 {aged(plain, 5*time.Hour), spool.Deferred, false, ""},
		"a delay, requested":                  {late, spool.Deferred, false, spool.DelayedAction},
		"a delay, requested, too soon":        {aged(ask(spool.NotifyDelay), time.Hour), spool.Deferred, false, ""},
		"a delay, requested, reported before": {reported, spool.Deferred, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(
				Options{
					Setup: always(Setup{
						Event:      silent,
						Reports:    !c.off,
						DelayAfter: 4 * time.Hour,
					}),
					Now: func() time.Time { return now },
				},
			)
			if got := s.report(spool.Outcome{Task: &c.task, State: c.state}); got != c.want {
				t.Errorf("the report is %q, want %q", got, c.want)
			}
		})
	}
}

// An outcome, a hold and its end leave notices for the webhook; what nobody asked
// to hear of does not.
func TestEventsBecomeNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		no, yes := answer(401, `{"error":"who"}`), answer(200, sentBody)
		inboxes := answer(200, `[{"id":202,"members":[55]}]`)
		a := &answers{list: []func(*http.Request) (*http.Response, error){no, no, inboxes, yes}}
		wanted := func(e events.Event) []byte {
			if e.Kind == events.Deferred {
				return nil
			}
			return []byte(e.Kind)
		}
		runWith(t, l, a, time.Minute, func(_ *Options, s *Setup) { s.Event = wanted })
		if want := []string{"held", "released", "sent"}; !slices.Equal(l.notices, want) {
			t.Errorf("the notices are %v, want %v", l.notices, want)
		}
	})
}

// What is held, or behind an open breaker, cannot be sent.
func TestCanSend(t *testing.T) {
	s := New(Options{
		Setup: always(Setup{Event: silent}),
	})
	for _, key := range []holdKey{
		{Destination: spool.Destination{Team: "shop", Route: "support"}},
		{Destination: spool.Destination{Team: "shop"}},
		breakerOf("shop"),
	} {
		s.holds.set(key, &hold{})
		if s.CanSend("shop", "support") {
			t.Errorf("%v is held, and the route can send", key)
		}
		if !s.CanSend("bank", "support") || s.CanSend("shop", "other") != (key.Route == "support") {
			t.Errorf("%v is held, and others cannot send as they should", key)
		}
		s.holds.remove(key)
		if !s.CanSend("shop", "support") {
			t.Errorf("%v was released, and the route cannot send", key)
		}
	}
	s.holds.set(holdKey{Destination: spool.Destination{Team: "shop", Route: "support", Inbox: 7}}, &hold{})
	if !s.CanSend("shop", "support") {
		t.Error("what is pending for a former inbox is in the way")
	}
}

// Who delivers reports learns of each that is stored, and of no other.
func TestReportsAreAnnounced(t *testing.T) {
	for report, want := range map[spool.Action]bool{
		"": false, spool.RelayedAction: true, spool.DelayedAction: true, spool.FailedAction: true,
	} {
		rec := &recorder{}
		s := New(Options{Setup: always(Setup{}), Sink: rec, Now: time.Now})
		o := spool.Outcome{Task: &spool.Task{}, State: spool.Sent, Report: report}
		s.record(o, spool.Finished{Replaced: 7}, nil)
		if rec.all[0].Report != want || rec.all[1].Report {
			t.Errorf("report %q: %+v", report, rec.all)
		}
	}
}

// What is odd about the convo_id of an answer is an event of its own, which is counted.
func TestOddConversations(t *testing.T) {
	for _, c := range []struct {
		result spool.Finished
		want   string
	}{
		{spool.Finished{}, "[sent]"},
		{spool.Finished{ConvoConflict: true}, "[sent anomaly]"},
		{spool.Finished{Replaced: 7}, "[sent anomaly]"},
		{spool.Finished{Err: spool.ErrLost}, "[anomaly]"},
	} {
		rec := &recorder{}
		s := New(Options{Setup: always(Setup{}), Sink: rec, Now: time.Now})
		s.record(spool.Outcome{Task: &spool.Task{Team: "shop"}, State: spool.Sent, ConvoID: 9}, c.result, nil)
		last := rec.all[len(rec.all)-1]
		if got := fmt.Sprint(rec.kind); got != c.want || last.Team != "shop" || last.Convo != 9 {
			t.Errorf("%+v: events %s, the last one %+v", c.result, got, last)
		}
	}
}

// A report of a delay says until when the message is tried (RFC 3464, section 2.3.9).
func TestWillRetryUntil(t *testing.T) {
	for own, want := range map[time.Duration]time.Duration{0: 24 * time.Hour, time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			l := newLane()
			l.task.Sender, l.task.Accepted = "app@example.com", start.Add(-5*time.Hour)
			l.task.DSN = []spool.DSN{{Notify: []string{spool.NotifyDelay}}}
			a := &answers{list: []func(*http.Request) (*http.Response, error){answer(500, `{}`), until}}
			runWith(t, l, a, time.Second/2, func(_ *Options, s *Setup) {
				s.Reports, s.DelayAfter = true, 4*time.Hour
				route := s.Routes["support"]
				route.Expire = own
				s.Routes["support"] = route
			})
			if o := l.outcomes[0]; o.Report != spool.DelayedAction || o.Until.Sub(start) != want {
				t.Errorf("a %q report says that it is tried for %v, want %v", o.Report, o.Until.Sub(start), want)
			}
		})
	}
}
