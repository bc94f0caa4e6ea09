package spooltest

import (
	"reflect"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// keptCases say what holds keep back, and that lists, counts and verbs agree on it.
var keptCases = []testCase{
	{"Team", func(f *fixture) { // whatever state it was in, but what is active
		f.states()
		f.hold(spool.Hold{Reason: "401"})
		f.list(spool.Filter{States: []spool.State{spool.Held}}, "Q5 Q3 Q2")
		f.list(spool.Filter{States: []spool.State{spool.Queued, spool.Ready, spool.Deferred}}, "")
		f.list(spool.Filter{States: []spool.State{spool.Active}}, "Q4")
		for _, id := range []string{"Q2", "Q3", "Q5"} {
			s := f.detail(id)
			want := spool.Hold{Team: "shop", Reason: "401", Since: f.now}
			if s.State != "held" || s.HoldLevel != spool.TeamLevel || *s.Hold != want {
				f.Errorf("%s is %s at level %q by %v", id, s.State, s.HoldLevel, s.Hold)
			}
			if s.Reason != "team shop is on hold since 2026-11-01T12:00:00Z: 401" || !s.Due.IsZero() {
				f.Errorf("%s is due %s: %q", id, s.Due, s.Reason)
			}
		}
		f.stats("support", map[string]int{"sent": 1, "active": 1, "held": 3})
		f.kept(
			spool.Kept{
				Level:    spool.TeamLevel,
				Hold:     spool.Hold{Team: "shop", Reason: "401", Since: f.now},
				Requests: 3,
			},
		)
		f.release("", 1)
		f.stats("support", map[string]int{"sent": 1, "active": 1, "queued": 1, "ready": 2})
		f.kept()
	}},
	{"Route", func(f *fixture) { // one of two, and of that one inbox of two
		f.send(letter{route: "news"})
		f.send(letter{inbox: 1})
		f.send(letter{inbox: 2})
		f.hold(spool.Hold{Route: "support", Inbox: 1, Reason: "gone"})
		f.list(spool.Filter{States: []spool.State{spool.Held}}, "Q2")
		f.stats("support", map[string]int{"held": 1, "ready": 1})
		f.stats("news", map[string]int{"ready": 1})
		const want = "route support to inbox 1 is on hold since "
		if s := f.detail("Q2"); s.HoldLevel != spool.RouteLevel || !strings.HasPrefix(s.Reason, want) {
			f.Errorf("Q2 is held at level %q: %q", s.HoldLevel, s.Reason)
		}
	}},
	{"Request", func(f *fixture) { // by itself, and its route, and its team: it is reported once, and counted once
		f.many(2, letter{})
		f.moved(spool.Moved{Requests: 1})(f.operator.Hold(f.Context(), f.now, only("Q1"), "wait for me"))
		f.hold(spool.Hold{Route: "support", Reason: "403"})
		f.hold(spool.Hold{Reason: "401"})
		if s := f.detail("Q1"); s.HoldLevel != spool.RequestLevel || s.Reason != "wait for me" || !s.Hold.Operator {
			f.Errorf("Q1 is held at level %q: %q", s.HoldLevel, s.Reason)
		}
		if s := f.detail("Q2"); s.HoldLevel != spool.TeamLevel {
			f.Errorf("Q2 is held at level %q, want the team, which comes first", s.HoldLevel)
		}
		f.stats("support", map[string]int{"held": 2})
		route := spool.Hold{Team: "shop", Route: "support", Reason: "403", Since: f.now}
		f.kept(
			spool.Kept{Level: spool.RequestLevel, Hold: oneByOne, Requests: 1},
			spool.Kept{
				Level:    spool.TeamLevel,
				Hold:     spool.Hold{Team: "shop", Reason: "401", Since: f.now},
				Requests: 1,
			},
			spool.Kept{Level: spool.RouteLevel, Hold: route},
		)
	}},
	{
		"ByAnOperator",
		func(f *fixture) { // also what comes later, over a restart; no probe, and nobody but an operator ends it
			f.send(letter{})
			f.operatorHold(spool.Hold{Team: "shop", Route: "support", Reason: "maintenance"})
			f.send(letter{})
			f.send(letter{route: "news"})
			f.reopen()
			r := room("shop")
			r.Probe = time.Minute
			if got := queueIDs(f.claim(r)); got != "Q3" {
				f.Errorf("claimed %q, want what goes by another route", got)
			}
			f.release("support", 0)
			f.hold(spool.Hold{Route: "support", Reason: "403", Probe: f.now})
			f.now = f.now.Add(30 * day)
			if got := queueIDs(f.claim(r)); got != "Q3" { // whose lease has ended
				f.Errorf("claimed %q of what an operator holds", got)
			}
			f.holds(spool.Hold{Team: "shop", Route: "support", Reason: "maintenance", Since: epoch, Operator: true})
			f.operatorRelease(spool.Destination{Team: "shop", Route: "support"}, true)
			f.operatorRelease(spool.Destination{Team: "shop", Route: "support"}, false)
			if got := queueIDs(f.claim(r)); got != "Q1 Q2" {
				f.Errorf("after the release claimed %q", got)
			}
		},
	},
	{"OperatorReleasesGuard", func(f *fixture) { // and what was deferred is due, and its trial begins
		f.send(letter{})
		f.deferTask(f.claimOne(), time.Hour)
		f.hold(spool.Hold{Route: "support", Reason: "403"})
		f.now = f.now.Add(time.Minute)
		f.operatorRelease(spool.Destination{Team: "shop", Route: "support"}, true)
		if task := f.claimOne(); !task.TrialSince.Equal(f.now) {
			f.Errorf("under trial since %s, want the release", task.TrialSince)
		}
		f.holds()
	}},
	{"OperatorTakesOver", func(f *fixture) { // a hold of heyrelay, from now on, without its probes
		f.send(letter{})
		f.hold(spool.Hold{Route: "support", Reason: "403", Probe: f.now})
		f.now = f.now.Add(time.Minute)
		f.operatorHold(spool.Hold{Team: "shop", Route: "support", Reason: "maintenance"})
		want := spool.Hold{Team: "shop", Route: "support", Reason: "maintenance", Since: f.now, Operator: true}
		f.holds(want)
		f.now = f.now.Add(time.Minute)
		f.operatorHold(spool.Hold{Team: "shop", Route: "support", Reason: "still"})
		want.Reason = "still"
		f.holds(want)
		r := room("shop")
		r.Probe = time.Minute
		if got := queueIDs(f.claim(r)); got != "" {
			f.Errorf("claimed %q as a probe", got)
		}
	}},
	{"Verbs", func(f *fixture) { // each says where what it matched stands then
		f.states()
		retry := func() (spool.Moved, error) {
			return f.operator.Retry(f.Context(), f.now, spool.Filter{}, spool.RetryOptions{})
		}
		f.stands(spool.Moved{Requests: 1, Busy: 1, Due: 2, Behind: 1})(retry())
		team := spool.Hold{Team: "shop", Reason: "401", Since: f.now}
		f.hold(team)
		held := []spool.Kept{{Level: spool.TeamLevel, Hold: team, Requests: 3}}
		f.stands(spool.Moved{Busy: 1, Kept: held})(retry())
		f.stands(spool.Moved{Busy: 1, Kept: held})(f.operator.Release(f.Context(), f.now, spool.Filter{}))
		own := spool.Kept{Level: spool.RequestLevel, Hold: oneByOne, Requests: 1}
		f.stands(spool.Moved{Requests: 1, Kept: []spool.Kept{own}})(f.operator.Hold(f.Context(), f.now, only("Q2"), "why"))
		held[0].Requests = 1
		f.stands(spool.Moved{Requests: 1, Kept: held})(f.operator.Release(f.Context(), f.now, only("Q2")))
		f.stands(spool.Moved{Requests: 1})(f.operator.Drop(f.Context(), f.now, only("Q2")))
		states := spool.Filter{States: []spool.State{spool.Held}}
		f.stands(spool.Moved{Requests: 2})(f.operator.Drop(f.Context(), f.now, states))
	}},
	{"RetryHeldBehind", func(f *fixture) { // what is held by itself behind another goes on, too
		f.send(letter{id: "p"})
		f.send(letter{cites: []string{"p"}})
		f.moved(spool.Moved{Requests: 1})(f.operator.Hold(f.Context(), f.now, only("Q2"), "why"))
		f.state("Q2", spool.Held)
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q2"), spool.RetryOptions{}))
		f.state("Q2", spool.Queued)
	}},
}

// oneByOne stands for all requests that have holds of their own.
var oneByOne = spool.Hold{Reason: "held individually", Operator: true}

// states has one request each: Q1 sent, Q2 deferred, Q3 queued behind it, Q4 active
// and Q5 ready.
func (f *fixture) states() {
	f.Helper()
	f.send(letter{})
	f.sent(f.claimOne(), 7)
	f.send(letter{id: "p"})
	f.send(letter{cites: []string{"p"}})
	f.deferTask(f.claimOne(), time.Hour)
	f.send(letter{})
	f.claimOne()
	f.send(letter{})
}

// stands returns a check of all that a verb returned.
func (f *fixture) stands(want spool.Moved) func(spool.Moved, error) {
	return func(got spool.Moved, err error) {
		f.Helper()
		if !reflect.DeepEqual(got, want) || err != nil {
			f.Errorf("it moved %+v (%v), want %+v", got, err, want)
		}
	}
}

// kept fails the test unless just these holds keep back so much.
func (f *fixture) kept(want ...spool.Kept) {
	f.Helper()
	if got, err := f.operator.Kept(f.Context()); !reflect.DeepEqual(got, want) || err != nil {
		f.Errorf("kept back are %+v (%v), want %+v", got, err, want)
	}
}

// holds fails the test unless just these stand.
func (f *fixture) holds(want ...spool.Hold) {
	f.Helper()
	if got, err := f.Holds(f.Context()); !reflect.DeepEqual(got, want) || err != nil {
		f.Errorf("the holds are %+v (%v), want %+v", got, err, want)
	}
}

func (f *fixture) operatorHold(h spool.Hold) {
	f.Helper()
	if err := f.operator.HoldDestination(f.Context(), f.now, h); err != nil {
		f.Fatalf("HoldDestination: %v", err)
	}
}

func (f *fixture) operatorRelease(at spool.Destination, want bool) {
	f.Helper()
	if held, err := f.operator.ReleaseDestination(f.Context(), f.now, at); held != want || err != nil {
		f.Errorf("ReleaseDestination reports %v (%v), want %v", held, err, want)
	}
}
