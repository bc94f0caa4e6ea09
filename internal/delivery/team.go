package delivery

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

const outageInARow = 5 // different messages of a team without an answer or with a 5xx: its breaker opens

// Pauses between probes.
const (
	firstProbe = time.Second
	lastProbe  = 30 * time.Second // of a breaker
	heldProbe  = 5 * time.Minute  // of a hold
)

// team is what the loop knows of a team.
type team struct {
	active   int // calls that have not been recorded yet
	searches int // those of them that are searches
	lastSent time.Time
	noLookUp time.Time // when a look-up was denied first
	outage   distinct  // messages without an answer since one was answered
	routes   map[string]*route

	probing   bool // a probe of its credentials is active
	trying    bool // it is held, its credentials passed a probe, and one message at a time is tried
	throttle  spool.Throttle
	throttled bool // a 429 was announced, and the end of the slower pace was not
}

func (s *Scheduler) team(name string) *team {
	t := s.teams[name]
	if t == nil {
		t = &team{routes: map[string]*route{}}
		s.teams[name] = t
	}
	return t
}

func (t *team) route(name string) *route {
	r := t.routes[name]
	if r == nil {
		r = &route{}
		t.routes[name] = r
	}
	return r
}

func (t *team) began(call spool.Call) {
	t.active++
	t.searches += searchesOf(call)
}

func (t *team) ended(call spool.Call) {
	t.active--
	t.searches -= searchesOf(call)
}

// searchesOf is 1 for a search.
func searchesOf(call spool.Call) int {
	if call == spool.FindMessage {
		return 1
	}
	return 0
}

// noteAnswer takes into account what a result says about the API: whether it answers
// at all, and whether there were too many calls.
func (s *Scheduler) noteAnswer(r *result) {
	if r.noCall != "" || r.panicked != "" {
		return
	}
	if r.problem != nil && r.problem.Status == http.StatusTooManyRequests {
		s.slowDown(r)
	}
	t := s.team(r.task.Team)
	breaker := s.holds.breaker(r.task.Team)
	p := r.problem
	switch {
	case p != nil && p.Class == heymarket.Again && (p.Status == 0 || p.Status >= http.StatusInternalServerError):
		if n := t.outage.add(r.task.QueueID); n >= outageInARow || breaker != nil {
			s.openBreaker(r.task.Team, r.reason())
		}
		return
	case breaker == nil:
	case r.task.Call == spool.Send || r.search.Found:
		s.closeBreaker(r.task.Team, peer(r.task.Team)+" responds again")
	default: // it answers look-ups: a send is next
		breaker.pause.until = s.o.Now()
	}
	t.outage = nil
}

// openBreaker opens a team's breaker, or keeps it open for longer.
func (s *Scheduler) openBreaker(team, reason string) {
	breaker := s.holds.breaker(team)
	if breaker == nil {
		breaker = &hold{since: s.o.Now(), reason: reason}
		s.holds.set(breakerOf(team), breaker)
		s.announce(events.Event{
			Kind:   events.Held,
			Time:   s.o.Now(),
			Team:   team,
			Reason: peer(team) + " does not respond; trying one call at a time: " + reason,
		})
	}
	breaker.pause.grow(s.o.Now(), lastProbe)
}

// closeBreaker closes a team's breaker for a reason, and makes all of its deferred requests due.
func (s *Scheduler) closeBreaker(team, why string) {
	s.holds.remove(breakerOf(team))
	n, err := s.o.Store.MakeDue(s.ctx, s.o.Now(), team)
	if err != nil {
		s.logError("requests deferred by the outage could not be made due", err)
	}
	s.announce(events.Event{
		Kind:   events.Released,
		Time:   s.o.Now(),
		Team:   team,
		Reason: fmt.Sprintf("%s; %d requests are due now", why, n),
	})
}

// slowDown shuts a team whose call was answered 429, and slows it down. That is
// announced once, until its whole budget may be used again.
func (s *Scheduler) slowDown(r *result) {
	now := s.o.Now()
	t := s.team(r.task.Team)
	answer := spool.TooMany{
		Rate:       r.setup.Teams[r.task.Team].Rate,
		Began:      r.began,
		RetryAfter: min(r.problem.RetryAfter, s.setup.RetryMax),
	}
	var err error
	t.throttle, err = s.o.Store.Throttle(s.ctx, now, r.task.Team, answer)
	if err != nil {
		s.logError("the team could not be slowed down", err)
		return
	}
	if t.throttled {
		return
	}
	t.throttled = true
	s.announce(events.Event{
		Kind: events.Held,
		Time: now,
		Team: r.task.Team,
		Reason: fmt.Sprintf(
			"%s: no calls for %v, then %d a minute, increasing each minute up to the rate of %d",
			r.problem, t.throttle.Until.Sub(now).Round(time.Second), t.throttle.Rate, answer.Rate),
	})
}

// speedUp announces that a team's whole budget may be used again. It returns when to
// come again.
func (s *Scheduler) speedUp(name string) time.Time {
	t := s.team(name)
	if !t.throttled {
		return time.Time{}
	}
	rate := s.setup.Teams[name].Rate
	if end := t.throttle.Recovered(rate); end.After(s.o.Now()) {
		return end
	}
	t.throttled = false
	s.announce(events.Event{
		Kind:   events.Released,
		Time:   s.o.Now(),
		Team:   name,
		Reason: fmt.Sprintf("no more 429 responses: back to %d calls a minute", rate),
	})
	return time.Time{}
}

// denied holds the team: credentials, or an address that is not the API's, are no
// fault of any message. What has been under trial for too long fails all the same,
// so that credentials that pass the probe and no send do not keep it forever.
func (s *Scheduler) denied(o spool.Outcome) spool.Outcome {
	if t := s.team(o.Task.Team); o.Task.Call != spool.Send && t.noLookUp.IsZero() {
		t.noLookUp = s.o.Now()
	}
	s.holdTeam(o.Task.Team, o.Reason+remedy(o.Task.Team))
	o.NextCall = o.Task.Call
	o = s.deferTo(o, s.o.Now())
	if o.State == spool.Failed {
		o.NextCall = spool.Send
	}
	return o
}

// isDeniedAlone reports whether a look-up is denied to credentials that send: a message was sent
// since the first one was. That holds nobody, and the look-up has failed.
func (s *Scheduler) isDeniedAlone(t *spool.Task) bool {
	team := s.team(t.Team)
	return t.Call != spool.Send && !team.noLookUp.IsZero() && team.lastSent.After(team.noLookUp)
}

// remedy is what to do where a team's calls are denied.
func remedy(team string) string {
	if route, ok := spool.SmarthostRoute(team); ok {
		return "; check the smarthost of route " + route + ": its address, user and password, and its certificate"
	}
	return "; check the team's secrets and heymarket.base_url (heyrelay check --online)"
}

// holdTeam holds a team until a message of it is sent. The pause between two probes
// grows until then.
func (s *Scheduler) holdTeam(team, reason string) {
	t := s.team(team)
	if h := s.holds.team(team); h != nil {
		if t.trying {
			t.trying = false
			h.pause.grow(s.o.Now(), heldProbe)
		}
		return
	}
	s.hold(spool.Hold{Team: team, Reason: reason})
}

// probeResult is the answer to a probe of a held team.
type probeResult struct {
	team string
	err  error
}

// probe lists the inboxes of a held team, the documented harmless call, or logs in at its
// smarthost, when its time has come. It returns when to come again.
func (s *Scheduler) probe(ctx context.Context, name string, h *hold) time.Time {
	t := s.team(name)
	switch {
	case t.probing || h.operator:
		return time.Time{} // until its result comes, or the operator acts
	case h.pause.until.After(s.o.Now()):
		return h.pause.until
	}
	t.probing = true
	setup := s.setup
	s.calls.Go(func() {
		err := s.reserve(ctx, setup, name)
		if err == nil {
			err = setup.Teams[name].tryOut(ctx)
		}
		s.probes <- probeResult{name, err}
	})
	return time.Time{}
}

// tryOut finds out whether the credentials of a team work, and sends nothing.
func (t Team) tryOut(ctx context.Context) error {
	if t.Server == nil {
		_, err := t.Client.Inboxes(ctx)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	session, err := t.Server.Connect(ctx)
	if err == nil {
		session.Close()
	}
	return err
}

// probed takes the result of a probe into account. Where it passed, all that is
// deferred is due, and one message at a time is tried: the hold ends when one is
// sent.
func (s *Scheduler) probed(p probeResult) {
	t := s.team(p.team)
	t.probing = false
	h := s.holds.team(p.team)
	switch {
	case h == nil: // it has ended meanwhile
	case p.err != nil || h.operator:
		h.pause.grow(s.o.Now(), heldProbe)
	default:
		if _, err := s.o.Store.MakeDue(s.ctx, s.o.Now(), p.team); err != nil {
			s.logError("requests of a team that was held could not be made due", err)
		}
		t.trying = true
	}
}

// endTries releases held teams whose credentials passed a probe, and closes breakers, where
// no message is left to be tried: else both would last until the next one comes.
func (s *Scheduler) endTries() {
	for name, t := range s.teams {
		broken := s.holds.breaker(name) != nil
		if !t.trying && !broken || t.active > 0 || s.hasSendable(name) {
			continue
		}
		if t.trying {
			s.release(spool.Destination{Team: name}, "its credentials work again")
		}
		if broken {
			s.closeBreaker(name, "no message is left to try it with")
		}
	}
}

// hasSendable reports whether a team has a request that only its own hold or breaker, or time, keeps back.
func (s *Scheduler) hasSendable(team string) bool {
	all, err := s.o.Store.Sendable(s.ctx, team)
	if err != nil {
		s.logError("pending requests could not be listed; will retry", err)
		return true
	}
	for _, at := range all {
		if s.noDestination(at) == "" && !s.holds.byOperator(team, at.Route) {
			return true
		}
	}
	return false
}

// releaseSent ends the holds of a route and a team of which a message was sent,
// unless they are an operator's.
func (s *Scheduler) releaseSent(t *spool.Task) {
	route := spool.Destination{Team: t.Team, Route: t.Route}
	if h := s.holds.held(route); h != nil && !h.operator {
		s.release(route, "a message was sent")
	}
	if h := s.holds.team(t.Team); h != nil && !h.operator {
		s.release(spool.Destination{Team: t.Team}, "its credentials work again")
	}
}
