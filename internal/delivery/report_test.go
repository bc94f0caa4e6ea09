package delivery

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// What the sender is to be told of an outcome (RFC 3461, section 5.2).
func TestReport(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	ask := func(what ...string) []spool.DSN {
		return []spool.DSN{{Notify: []string{spool.NotifyNever}}, {Notify: what}}
	}
	for name, c := range map[string]struct {
		task  spool.Task
		state spool.State
		off   bool
		want  spool.Action
	}{
		"a failure, where nobody said":          {spool.Task{Sender: "a@x"}, spool.Failed, false, spool.FailedAction},
		"a failure, no smarthost":               {spool.Task{Sender: "a@x"}, spool.Failed, true, ""},
		"a failure of a report":                 {spool.Task{Sender: ""}, spool.Failed, false, ""},
		"a failure, sender is no address":       {spool.Task{Sender: "root"}, spool.Failed, false, ""},
		"a failure, asked for by one":           {spool.Task{Sender: "a@x", DSN: ask(spool.NotifyFailure)}, spool.Failed, false, spool.FailedAction},
		"a failure, NEVER":                      {spool.Task{Sender: "a@x", DSN: ask(spool.NotifyNever)}, spool.Failed, false, ""},
		"sent, where nobody said":               {spool.Task{Sender: "a@x"}, spool.Sent, false, ""},
		"sent, asked for":                       {spool.Task{Sender: "a@x", DSN: ask(spool.NotifySuccess)}, spool.Sent, false, spool.RelayedAction},
		"flagged, success asked for":            {spool.Task{Sender: "a@x", DSN: ask(spool.NotifySuccess)}, spool.Flagged, false, ""},
		"a delay, where nobody said":            {spool.Task{Sender: "a@x", Accepted: now.Add(-5 * time.Hour)}, spool.Deferred, false, ""},
		"a delay, asked for":                    {spool.Task{Sender: "a@x", Accepted: now.Add(-5 * time.Hour), DSN: ask(spool.NotifyDelay)}, spool.Deferred, false, spool.DelayedAction},
		"a delay, asked for, too soon":          {spool.Task{Sender: "a@x", Accepted: now.Add(-time.Hour), DSN: ask(spool.NotifyDelay)}, spool.Deferred, false, ""},
		"a delay, asked for, told of it before": {spool.Task{Sender: "a@x", Delayed: true, Accepted: now.Add(-5 * time.Hour), DSN: ask(spool.NotifyDelay)}, spool.Deferred, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := New(
				Options{
					Event:      silent,
					Reports:    !c.off,
					DelayAfter: 4 * time.Hour,
					Now:        func() time.Time { return now },
				},
			)
			if got := s.report(spool.Outcome{Task: c.task, State: c.state}); got != c.want {
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
		runWith(t, l, a, time.Minute, func(o *Options) { o.Event = wanted })
		if want := []string{"held", "released", "sent"}; !slices.Equal(l.told, want) {
			t.Errorf("the notices are %v, want %v", l.told, want)
		}
	})
}

// What is held, or behind an open breaker, cannot be sent.
func TestCanSend(t *testing.T) {
	s := New(Options{Event: silent})
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
