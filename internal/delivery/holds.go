package delivery

import (
	"fmt"
	"slices"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// holdAgain is how long a hold stands before it is told again.
const holdAgain = time.Hour

// hold is what the loop remembers of a hold: of a team or a route, which a guard
// made and a probe ends, or of what a route has for one inbox, which the
// configuration made and ends.
type hold struct {
	since  time.Time
	reason string
	again  time.Time // when it is told again; zero: it was
}

// settle takes over the holds that are written down, holds what waits where the
// configuration has no place for it any more, and ends such holds where it has
// one again. It reports whether it could.
func (s *Scheduler) settle() bool {
	gates, err := s.o.Store.Holds(s.ctx)
	if err != nil {
		s.trouble("holds could not be read, this is tried again", err)
		return false
	}
	for _, g := range gates {
		s.takeOver(g)
	}
	places, err := s.o.Store.Destinations(s.ctx)
	if err != nil {
		s.trouble("where mail waits could not be read, this is tried again", err)
		return false
	}
	for _, at := range places {
		if reason := s.stray(at); reason != "" {
			s.hold(spool.Hold{Team: at.Team, Route: at.Route, Inbox: at.Inbox, Reason: reason})
		}
	}
	for at := range s.holds {
		switch {
		case at.Inbox == 0: // a guard's
		case s.stray(at) == "":
			s.lift(at, "the configuration has it again")
		case !slices.Contains(places, at):
			s.lift(at, "nothing waits there any more")
		}
	}
	return true
}

// takeOver remembers a hold of an earlier process. One that stands for long is
// told again at once: whether it was, nobody knows.
func (s *Scheduler) takeOver(g spool.Hold) {
	if s.holds[g.Destination()] != nil {
		return
	}
	s.remember(g)
	if g.Route == "" {
		s.guard(g.Team).hold.grow(s.o.Now(), firstProbe, heldProbe)
	}
}

func (s *Scheduler) remember(g spool.Hold) {
	s.holds[g.Destination()] = &hold{since: g.Since, reason: g.Reason, again: g.Since.Add(holdAgain)}
	if g.Inbox == 0 { // what waits for an old inbox is in no newcomer's way
		s.shut.set(shutter{g.Team, g.Route}, true)
	}
}

// stray says why what waits at a place cannot be sent from there, and what to do;
// "" where it can.
func (s *Scheduler) stray(at spool.Destination) string {
	what := ""
	_, team := s.o.Teams[at.Team]
	r, route := s.o.Route(at.Route)
	switch {
	case !team:
		what = "team " + at.Team + " is not in the configuration any more"
	case !route:
		what = "route " + at.Route + " is not in the configuration any more"
	case r.Team != at.Team:
		what = fmt.Sprintf("route %s is of team %s now, and no more of %s", at.Route, r.Team, at.Team)
	case r.Inbox != at.Inbox:
		what = fmt.Sprintf("route %s goes to inbox %d now, and no more to %d", at.Route, r.Inbox, at.Inbox)
	default:
		return ""
	}
	return fmt.Sprintf("%s: have it as it was, or move its mail (heyrelay queue retry --state waiting --from-route %s --route NEW)", what, at.Route)
}

// ours are those of tasks that can be sent from where they are. The others came
// there since settle looked: an operator moved them. They go back, and are held.
func (s *Scheduler) ours(tasks []spool.Task) (ours []spool.Task) {
	var strays []spool.Task
	for _, t := range tasks {
		reason := s.stray(spool.Destination{Team: t.Team, Route: t.Route, Inbox: t.Inbox})
		if reason == "" {
			ours = append(ours, t)
			continue
		}
		strays = append(strays, t)
		s.hold(spool.Hold{Team: t.Team, Route: t.Route, Inbox: t.Inbox, Reason: reason})
	}
	s.release(strays)
	return ours
}

// hold shuts a gate, if it is open.
func (s *Scheduler) hold(g spool.Hold) {
	if s.holds[g.Destination()] != nil {
		return
	}
	g.Since = s.o.Now()
	e := events.Event{Kind: events.Held, Time: g.Since, Team: g.Team, Route: g.Route, Reason: g.Reason}
	if err := s.o.Store.Hold(s.ctx, g.Since, g, s.o.Event(e)); err != nil {
		s.trouble("a hold could not be written down", err)
		return
	}
	s.remember(g)
	s.o.Sink.Record(e)
}

// lift opens a gate, and reports whether it could.
func (s *Scheduler) lift(at spool.Destination, why string) bool {
	e := events.Event{Kind: events.Released, Time: s.o.Now(), Team: at.Team, Route: at.Route, Reason: why}
	n, err := s.o.Store.Release(s.ctx, e.Time, at, s.o.Event(e))
	if err != nil {
		s.trouble("a hold could not be ended, this is tried again", err)
		return false
	}
	if delete(s.holds, at); at.Inbox == 0 {
		s.shut.set(shutter{at.Team, at.Route}, false)
	}
	if at.Route == "" {
		s.guard(at.Team).hold = pause{}
	}
	e.Reason = fmt.Sprintf("%s, %d requests are due at once", why, n)
	s.o.Sink.Record(e)
	return true
}

// tend ends a guard's hold that stands for HoldMax, and tells again of one that
// stands for an hour. It returns when to come again.
func (s *Scheduler) tend() (next time.Time) {
	now := s.o.Now()
	for at, h := range s.holds {
		if at.Inbox == 0 {
			end := h.since.Add(s.o.HoldMax)
			switch {
			case end.After(now):
				next = earlier(next, end)
			case at.Route == "" && s.guard(at.Team).hold.busy: // its probe will wake us
			case s.lift(at, "held for longer than hold_max"):
				continue
			default:
				next = earlier(next, now.Add(storeTrouble))
			}
		}
		if !h.again.IsZero() && !h.again.After(now) {
			h.again = time.Time{}
			s.announce(events.Event{
				Kind: events.Held, Time: now, Team: at.Team, Route: at.Route,
				Reason: fmt.Sprintf("still held, since %s: %s", h.since.UTC().Format(time.DateTime+" UTC"), h.reason),
			})
		}
		next = earlier(next, h.again)
	}
	return next
}
