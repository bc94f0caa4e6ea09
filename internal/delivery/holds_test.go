package delivery

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

const holdMax = 24 * time.Hour

// idle runs a scheduler whose store has nothing to claim. The API refuses all
// credentials, and a hold ends after holdMax.
func idle(t *testing.T, l *lane, d time.Duration) *recorder {
	a := &answers{list: []func(*http.Request) (*http.Response, error){answer(401, `{"error":"who"}`)}}
	return runWith(t, l, a, d, func(_ *Options, s *Setup) { s.HoldMax = holdMax })
}

// Mail that is pending where the configuration has no place for it is held, and says what
// to do.
func TestMissingDestinationsAreHeld(t *testing.T) {
	at := func(team, route string, inbox int64) spool.Destination {
		return spool.Destination{Team: team, Route: route, Inbox: inbox}
	}
	for _, c := range []struct {
		at   spool.Destination
		want string
	}{
		{at("shop", "support", 202), ""},
		{at("bank", "support", 202), "team bank is no longer in the configuration"},
		{at("shop", "gone", 202), "route gone is no longer in the configuration"},
		{at("shop", "sales", 203), "route sales now belongs to team other, no longer to shop"},
		{at("shop", "support", 201), "route support now sends from inbox 202, no longer from 201"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &lane{places: []spool.Destination{c.at}}
			rec := idle(t, l, time.Second)
			if c.want == "" {
				if l.holdLog != nil {
					t.Errorf("%v: %q", c.at, l.holdLog)
				}
				return
			}
			if want := fmt.Sprintf("hold %v", c.at); len(l.holdLog) != 1 || l.holdLog[0] != want {
				t.Fatalf("%v: gates %q, want %q", c.at, l.holdLog, want)
			}
			todo := "heyrelay queue retry --state waiting --from-route " + c.at.Route + " --route NEW"
			if e := rec.all[0]; e.Kind != events.Held || e.Route != c.at.Route ||
				!strings.HasPrefix(e.Reason, c.want) ||
				!strings.Contains(e.Reason, todo) {
				t.Errorf("%v: event %+v, want %q", c.at, e, c.want)
			}
		})
	}
}

// Such a hold ends when the configuration has the place again, or when nothing
// waits there any more, and not before; hold_max does not end it, since nothing
// could be done with what it lets go.
func TestHoldsOfMissingDestinationsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := func(route string) spool.Hold { return spool.Hold{Team: "shop", Route: route, Inbox: 202} }
		support, empty, gone := gate("support"), gate("empty"), gate("gone")
		l := &lane{
			standing: []spool.Hold{support, empty, gone},
			places:   []spool.Destination{support.Destination(), gone.Destination()},
		}
		idle(t, l, 2*holdMax)
		slices.Sort(l.holdLog)
		want := "release {shop empty 202}, release {shop support 202}"
		if got := strings.Join(l.holdLog, ", "); got != want {
			t.Errorf("gates %s, want %s", got, want)
		}
	})
}

// An operator who moves mail beside a process that knows a configuration of
// yesterday loses nothing: it goes back, and is held.
func TestMissingDestinationsAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.task.Route = "new"
		a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
		rec := run(t, l, a, time.Second)
		if len(a.calls) != 0 || l.outcomes != nil || l.released != 1 ||
			fmt.Sprint(l.holdLog) != "[hold {shop new 202}]" ||
			fmt.Sprint(rec.kind) != "[held]" {
			t.Errorf("%d calls, outcomes %v, %d given back, gates %q, events %v",
				len(a.calls), l.outcomes, l.released, l.holdLog, rec.kind)
		}
	})
}

// What another process changed is looked at again.
func TestMissingDestinationsAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lane{}
		time.AfterFunc(
			60500*time.Millisecond,
			func() { l.change(spool.Destination{Team: "bank", Route: "support", Inbox: 202}) },
		)
		time.AfterFunc(120500*time.Millisecond, func() { l.change() })
		rec := run(t, l, &answers{}, 3*time.Minute)
		if got := fmt.Sprint(l.holdLog); got != "[hold {bank support 202} release {bank support 202}]" {
			t.Fatalf("gates %s", got)
		}
		if d := rec.all[1].Time.Sub(rec.all[0].Time); d != time.Minute {
			t.Errorf("the hold ended after %v, want a minute", d)
		}
	})
}

// A hold is announced at once and again after an hour, and no more. A process that
// starts with an older hold announces it at once.
func TestAHoldIsAnnouncedAgain(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration // of the hold when the process starts
		want time.Duration // until it is announced
	}{{0, time.Hour}, {30 * time.Minute, 30 * time.Minute}, {7 * time.Hour, 0}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			rec := idle(
				t,
				&lane{
					standing: []spool.Hold{{Team: "shop", Route: "support", Since: start.Add(-c.age), Reason: "403"}},
				},
				12*time.Hour,
			)
			if len(rec.all) != 1 || rec.all[0].Kind != events.Held || rec.all[0].Time.Sub(start) != c.want ||
				!strings.HasSuffix(rec.all[0].Reason, "UTC: 403") {
				t.Errorf("a hold of %v: %+v, want it announced after %v", c.age, rec.all, c.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // a new one
		rec := run(
			t,
			newLane(),
			&answers{list: []func(*http.Request) (*http.Response, error){answer(401, `{"error":"who"}`)}},
			12*time.Hour,
		)
		if got := fmt.Sprint(rec.kind); got != "[held deferred held]" ||
			rec.all[2].Time.Sub(rec.all[0].Time) != time.Hour {
			t.Errorf("events %s, %+v", got, rec.all)
		}
	})
}

// A hold of a route, and one of a team, ends after hold_max, also where it began
// before a restart.
func TestHoldMax(t *testing.T) {
	for _, route := range []string{"", "support"} {
		synctest.Test(t, func(t *testing.T) {
			const old = 3 * time.Hour
			start := time.Now()
			l := &lane{standing: []spool.Hold{{Team: "shop", Route: route, Since: start.Add(-old)}}}
			rec := idle(t, l, holdMax)
			if want := fmt.Sprintf("[release %v]", spool.Destination{Team: "shop", Route: route}); fmt.Sprint(
				l.holdLog,
			) != want {
				t.Fatalf("gates %q, want %s", l.holdLog, want)
			}
			last := rec.all[len(rec.all)-1]
			if after := last.Time.Sub(start); last.Kind != events.Released || after < holdMax-old ||
				after > holdMax-old+time.Minute {
				t.Errorf("%s after %v, want the end of the hold after %v", last.Kind, after, holdMax-old)
			}
		})
	}
}

// A hold that cannot be ended now is ended later.
func TestAHoldThatCannotBeEndedIsEndedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lane{standing: []spool.Hold{{Team: "shop", Route: "support", Since: time.Now()}}, stuck: 3}
		rec := idle(t, l, holdMax+time.Minute)
		if got := fmt.Sprint(rec.kind); got != "[held error error error released]" {
			t.Errorf("events %s", got)
		}
	})
}

// A hold of an operator stands: no probe is made, hold_max does not end it, and no
// message that was sent when it began. It is logged at the start, and announced at its
// hour as any other.
func TestAnOperatorsHoldStands(t *testing.T) {
	for _, route := range []string{"", "support"} {
		synctest.Test(t, func(t *testing.T) {
			h := spool.Hold{Team: "shop", Route: route, Since: time.Now(), Reason: "maintenance", Operator: true}
			l := newLane() // its one task is claimed all the same: it was active when the hold began
			l.standing = []spool.Hold{h}
			a := &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}}
			rec := runWith(t, l, a, 2*holdMax, func(_ *Options, s *Setup) { s.HoldMax = holdMax })
			if l.holdLog != nil {
				t.Errorf("gates %q, want none", l.holdLog)
			}
			if l.reserved > 0 || route == "" && l.outcomes != nil {
				t.Errorf("%d calls for probes, outcomes %v, want none", l.reserved, l.outcomes)
			}
			if first := rec.all[0]; first.Kind != events.Held || first.Reason != h.String() {
				t.Errorf("the first event is %+v, want %q", first, h)
			}
			last := rec.all[len(rec.all)-1]
			if last.Kind != events.Held || !strings.HasSuffix(last.Reason, "UTC, by an operator: maintenance") {
				t.Errorf("the last event is %+v, want the hold announced again", last)
			}
		})
	}
}

// What an operator does beside a process is logged and announced: a hold, one that
// takes the place of heyrelay's own and ends its trial, and a release.
func TestOperatorsHoldsAreAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		l := &lane{}
		s := New(
			Options{
				Setup: always(Setup{Event: func(e events.Event) []byte { return []byte(e.Kind) }}),
				Store: l,
				Sink:  rec,
				Now:   time.Now,
			},
		)
		s.ctx = t.Context()
		guards := spool.Hold{Team: "shop", Reason: "401"}
		s.adopt([]spool.Hold{guards})
		s.team("shop").trying = true
		operators := spool.Hold{Team: "shop", Reason: "maintenance", Operator: true}
		s.adopt([]spool.Hold{operators})
		if s.team("shop").trying || !s.holds.team("shop").operator {
			t.Error("messages of a team that an operator holds are tried")
		}
		s.probed(probeResult{team: "shop"})
		if s.team("shop").trying {
			t.Error("a probe that was active lets messages be tried")
		}
		s.adopt([]spool.Hold{operators})
		s.releaseSent(&spool.Task{Team: "shop", Route: "support"})
		if l.holdLog != nil {
			t.Errorf("a message that was sent ends the hold: %q", l.holdLog)
		}
		s.adopt(nil)
		got := fmt.Sprint(rec.kind)
		if got != "[held released]" || rec.all[0].Reason != operators.String() || !rec.all[0].Operator {
			t.Errorf("events %s, %+v", got, rec.all)
		}
		if len(l.notices) != 2 {
			t.Errorf("notices %q, want 2", l.notices)
		}
	})
}
