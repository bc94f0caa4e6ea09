package delivery

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// What it takes to believe that it is not the message's fault.
const (
	failuresInARow = 10 // different messages of a route that failed for good: the route is held
	outageInARow   = 5  // different messages of a team without an answer or with a 5xx: its breaker opens
	otherDenied    = 3  // other conversations of a route that are tried before a 403 is the route's
)

// Pauses between probes.
const (
	firstProbe = time.Second
	lastProbe  = 30 * time.Second // of a breaker
	heldProbe  = 5 * time.Minute  // of a hold
	parked     = 30 * time.Second // a request that was answered 403, while others are tried
)

// guard is what the loop remembers of a team.
type guard struct {
	lastSent time.Time
	outage   streak
	breaker  pause // of the team's breaker; closed where zero
	hold     pause // between two probes of the team's hold
	routes   map[string]*routeGuard
}

// routeGuard is what the loop remembers of a route.
type routeGuard struct {
	failures streak
	denied   streak    // conversations that were answered 403
	sent     time.Time // the newest message of the route that was sent
}

// pause is a time to wait for, which grows.
type pause struct {
	length time.Duration
	until  time.Time
	busy   bool // a probe is under way
}

func (p pause) on() bool { return p.length > 0 }

// grow waits twice as long as before, from now on.
func (p *pause) grow(now time.Time, first, longest time.Duration) {
	p.length = min(max(first, 2*p.length), longest)
	p.until, p.busy = now.Add(p.length), false
}

// streak counts different things in a row.
type streak map[string]time.Time

// add counts what at now and returns how many there are.
func (s *streak) add(what string, now time.Time) int {
	if *s == nil {
		*s = streak{}
	}
	if _, counted := (*s)[what]; !counted {
		(*s)[what] = now
	}
	return len(*s)
}

func (s *Scheduler) guard(team string) *guard {
	g := s.guards[team]
	if g == nil {
		g = &guard{routes: map[string]*routeGuard{}}
		s.guards[team] = g
	}
	return g
}

func (g *guard) route(name string) *routeGuard {
	r := g.routes[name]
	if r == nil {
		r = &routeGuard{}
		g.routes[name] = r
	}
	return r
}

// forbidden parks a request that was answered 403 while others of its route are
// tried. Where one of them was sent it is the message's own failure; where other
// conversations are refused too, or there is none that could be, it is the route's.
func (s *Scheduler) forbidden(o spool.Outcome) spool.Outcome {
	t, now := o.Task, s.o.Now()
	r := s.guard(t.Team).route(t.Route)
	who := strings.Join(heymarket.Targets(t.To, t.Cc), " ")
	first, again := r.denied[who]
	if again && !r.sent.Before(first) {
		delete(r.denied, who)
		return s.failed(o)
	}
	if n := r.denied.add(who, now); again || n > otherDenied {
		s.holdRoute(t, fmt.Sprintf("%d conversation(s) in a row were answered 403: is creator_id a member of the inbox, and may the team send? last: %s", n, o.Reason))
	}
	o.State, o.Due, o.ConversationAlive = spool.Deferred, now.Add(parked), o.ConversationAlive || t.ConversationAlive
	return o
}

// denied holds the team: credentials, or an address that is not the API's, are no
// fault of any message.
func (s *Scheduler) denied(o spool.Outcome) spool.Outcome {
	s.holdTeam(o.Task.Team, o.Reason+"; check the team's secrets and heymarket.base_url (heyrelay check --online)")
	o.State, o.Due = spool.Deferred, s.o.Now()
	return o
}

// outage learns from a call whether the API answers at all.
func (s *Scheduler) outage(r result) {
	if r.local != "" {
		return
	}
	g, p := s.guard(r.task.Team), r.problem
	if p != nil && p.Class == heymarket.Again && (p.Status == 0 || p.Status >= http.StatusInternalServerError) {
		if n := g.outage.add(r.task.QueueID, s.o.Now()); n >= outageInARow || g.breaker.on() {
			s.trip(r.task.Team, g, p.Error())
		}
		return
	}
	if g.outage = nil; g.breaker.on() {
		s.mend(r.task.Team, g)
	}
}

// watch learns from an outcome what it says about its route.
func (s *Scheduler) watch(r result, o spool.Outcome) {
	now, g := s.o.Now(), s.guard(o.Task.Team)
	route := g.route(o.Task.Route)
	switch {
	case o.State == spool.Sent || o.State == spool.Flagged:
		g.lastSent, route.sent, route.failures = now, now, nil
		if at := (spool.Destination{Team: o.Task.Team, Route: o.Task.Route}); s.holds[at] != nil {
			s.lift(at, "a probe was sent")
		}
	case o.State == spool.Failed && r.call == spool.Send:
		if n := route.failures.add(o.Task.QueueID, now); n >= failuresInARow {
			s.holdRoute(o.Task, fmt.Sprintf("%d different messages in a row failed for good; last: %s", n, o.Reason))
		}
	}
}

// trip opens a team's breaker, or keeps it open for longer.
func (s *Scheduler) trip(team string, g *guard, reason string) {
	if !g.breaker.on() {
		s.shut.set(shutter{team, breaker}, true)
		s.announce(events.Event{Kind: events.Held, Time: s.o.Now(), Team: team, Reason: "the API does not answer, one call at a time tries it: " + reason})
	}
	g.breaker.grow(s.o.Now(), firstProbe, lastProbe)
}

// mend closes a team's breaker: all that failed meanwhile is due at once.
func (s *Scheduler) mend(team string, g *guard) {
	g.breaker = pause{}
	s.shut.set(shutter{team, breaker}, false)
	n, err := s.o.Store.MakeDue(s.ctx, s.o.Now(), team)
	if err != nil {
		s.trouble("what the outage put off waits for its own time", err)
	}
	s.announce(events.Event{Kind: events.Released, Time: s.o.Now(), Team: team, Reason: fmt.Sprintf("the API answers again, %d requests are due at once", n)})
}

// holdTeam keeps a team back until a call of its own passes.
func (s *Scheduler) holdTeam(team, reason string) {
	g := s.guard(team)
	if g.hold.on() {
		return
	}
	g.hold.grow(s.o.Now(), firstProbe, heldProbe)
	s.hold(spool.Hold{Team: team, Reason: reason, Probe: g.hold.until})
}

// holdRoute keeps a task's route back until one of its messages passes.
func (s *Scheduler) holdRoute(t spool.Task, reason string) {
	r := s.guard(t.Team).route(t.Route)
	r.denied, r.failures = nil, nil
	s.hold(spool.Hold{Team: t.Team, Route: t.Route, Reason: reason, Probe: s.o.Now().Add(firstProbe)})
}

// probed is the answer to a probe of a held team.
type probed struct {
	team string
	err  error
}

// probe asks for the inboxes of a held team, the documented harmless call, when
// its time has come. It returns when to come again.
func (s *Scheduler) probe(ctx context.Context, team string, g *guard) time.Time {
	now, client := s.o.Now(), s.o.Teams[team].Client
	switch {
	case g.hold.busy:
		return time.Time{} // its answer will wake us
	case g.hold.until.After(now):
		return g.hold.until
	}
	if err := s.o.Store.Spend(s.ctx, now, team, s.o.Teams[team].Rate, 1); err != nil {
		s.trouble("a probe could not be charged", err)
		return now.Add(storeTrouble)
	}
	g.hold.busy = true
	s.calls.Go(func() {
		_, err := client.Inboxes(ctx)
		s.probes <- probed{team, err}
	})
	return time.Time{}
}

// probed ends a team's hold where its probe passed.
func (s *Scheduler) probed(p probed) {
	g := s.guard(p.team)
	if p.err != nil || !s.lift(spool.Destination{Team: p.team}, "its credentials work again") {
		g.hold.grow(s.o.Now(), firstProbe, heldProbe)
	}
}
