package spooltest

import (
	"fmt"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// holdOrRelease holds, releases, or makes due.
func (r *run) holdOrRelease() {
	g := spool.Hold{
		Team:   pick(r.rand, teams),
		Route:  pick(r.rand, []string{"", "a", "b"}),
		Reason: fmt.Sprint(r.n),
	}
	if r.rand.IntN(3) > 0 { // the API's, where lanes have several requests
		g.Team = pick(r.rand, teams[:2])
	}
	if g.Route != "" && r.rand.IntN(3) == 0 {
		g.Inbox = int64(r.rand.IntN(2) + 1)
	}
	switch n := r.rand.IntN(12); {
	case n >= 10:
		g.Inbox = 0
		automatic := func(h spool.Hold) bool { return h.Inbox == 0 && (!h.Operator || r.rand.IntN(8) == 0) }
		if held, ok := r.anyHeld(automatic); ok && r.rand.IntN(4) > 0 {
			g.Team, g.Route = held.Team, held.Route
		}
		r.model.undisturbed(func() { r.operatorGate(g) })
	case n < 4 && g.Route != "" || n < 1:
		r.beginHold(g)
	case n < 5:
		if h, ok := r.anyHeld(nil); ok {
			r.letPass(h)
		}
	case n < 9:
		r.endHold(g)
	default:
		n, err := r.MakeDue(r.Context(), r.now, g.Team)
		if want := r.model.makeDue(spool.Destination{Team: g.Team}); n != want || err != nil {
			r.Errorf("MakeDue of %s made %d due (%v), want %d", g.Team, n, err, want)
		}
	}
}

// beginHold holds g, or what is held already, or a destination with others behind its heads.
func (r *run) beginHold(g spool.Hold) {
	if held, ok := r.anyHeld(nil); ok && r.rand.IntN(3) == 0 {
		g.Team, g.Route, g.Inbox = held.Team, held.Route, held.Inbox
	}
	if busy := r.model.inFront(); busy != nil && r.rand.IntN(2) == 0 {
		at := pick(r.rand, busy).place()
		g.Team, g.Route, g.Inbox = at.Team, at.Route, 0
	}
	if g.Inbox == 0 && r.rand.IntN(4) > 0 {
		g.Probe = r.now.Add(time.Duration(r.rand.IntN(3)) * time.Second)
	}
	r.model.offers = nil
	r.must(r.Hold(r.Context(), r.now, g, nil))
	was := r.model.holdOf(g.Destination())
	r.see("operator's stands", was.held && was.Operator)
	r.model.beginHold(r.now, g)
	if r.rand.IntN(2) == 0 { // at once, as where a route does not exist any more
		r.letPass(g)
	}
}

// endHold releases what is held, or g where nothing is.
func (r *run) endHold(g spool.Hold) {
	if held, ok := r.anyHeld(nil); ok {
		g = held
	}
	held := r.model.holdOf(g.Destination()).held && !g.Operator
	r.model.offers = nil
	r.see("operator's stays", g.Operator)
	n, err := r.Release(r.Context(), r.now, g.Destination(), nil)
	if want := r.model.endHold(r.now, g.Destination(), false); n != want || err != nil {
		r.Errorf("Release of %v made %d due (%v), want %d", g.Destination(), n, err, want)
	}
	r.see("released", held)
	r.see("inbox released", held && g.Inbox != 0)
}

// pace changes how fast a team may be, or ends what stands.
func (r *run) pace() {
	team := pick(r.rand, teams)
	g := r.model.gate(team)
	switch r.rand.IntN(4) {
	case 0:
		n, err := r.ClockChanged(r.Context(), r.now, lease, team)
		r.model.offers = nil
		if want := r.model.clockChanged(team); n != want || err != nil {
			r.Errorf("ClockChanged made %d of %s due (%v), want %d", n, team, err, want)
		}
		r.see("clock changed", true)
	case 1:
		answer := spool.TooMany{Rate: 600, Began: r.now.Add(-time.Duration(r.rand.IntN(9)) * time.Second)}
		if r.rand.IntN(2) == 0 {
			answer.RetryAfter = time.Duration(r.rand.IntN(5)) * time.Second
		}
		got, err := r.Throttle(r.Context(), r.now, team, answer)
		r.model.offers = nil
		g.throttle = g.throttle.After(answer, r.now)
		if got != g.throttle || err != nil {
			r.Errorf("Throttle of %s: %+v (%v), want %+v", team, got, err, g.throttle)
		}
		r.see("throttled", true)
	case 2:
		begin, err := r.Reserve(r.Context(), r.now, team, 600)
		want, after := spool.Reserve(g.throttle.Pace(600, r.now), r.now, g.next)
		if until := g.throttle.Shut(r.now); until.After(want) {
			want = until
		}
		g.next = after
		if !begin.Equal(want) || err != nil {
			r.Errorf("Reserve of %s: %v (%v), want %v", team, begin, err, want)
		}
	default:
		tasks, err := r.Withdraw(r.Context())
		r.model.offers = nil
		if len(tasks) > 0 || err != nil {
			r.Errorf("Withdraw: %v (%v), want what was handed already", names(tasks), err)
		}
		r.see("withdrawn", true)
	}
}

// letPass has heads of a route that is held step aside. All of a team has nothing to let pass.
func (r *run) letPass(h spool.Hold) {
	if h.Route == "" {
		return
	}
	r.model.offers = nil
	if err := r.StepAside(r.Context(), h.Destination()); err != nil {
		r.Fatalf("StepAside: %v", err)
	}
	lanes := len(r.model.lanes)
	r.model.stepAside(h.Destination())
	r.see("stepped aside", len(r.model.lanes) > lanes)
}

// anyHeld returns a hold that is wanted, nil for any, and false where there is none.
func (r *run) anyHeld(wanted func(spool.Hold) bool) (h spool.Hold, ok bool) {
	holds, err := r.Holds(r.Context())
	if wanted != nil {
		holds = slices.DeleteFunc(holds, func(h spool.Hold) bool { return !wanted(h) })
	}
	if len(holds) == 0 || err != nil {
		return h, false
	}
	return pick(r.rand, holds), true
}

// operatorGate holds a team or a route as an operator does, or ends such a hold.
func (r *run) operatorGate(h spool.Hold) {
	h.Operator = true
	was := r.model.holdOf(h.Destination())
	if !was.held || !was.Operator && r.rand.IntN(2) == 0 {
		r.see("operator takes over", was.held)
		if err := r.operator.HoldDestination(r.Context(), r.now, h); err != nil {
			r.Fatalf("HoldDestination: %v", err)
		}
		r.model.beginHold(r.now, h)
		return
	}
	held, err := r.operator.ReleaseDestination(r.Context(), r.now, h.Destination())
	if !held || err != nil {
		r.Errorf("ReleaseDestination of %v: %v, %v", h.Destination(), held, err)
	}
	r.see("operator released", was.Operator)
	r.model.endHold(r.now, h.Destination(), true)
}
