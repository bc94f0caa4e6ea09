package delivery

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// announceAgain is the age at which a hold is announced again.
const announceAgain = time.Hour

// hold is a reason not to send: of a team or a route, which an answer of the API
// began and a probe ends, or an operator began and ends; of what a route has for one
// inbox, which the configuration began and ends; or a team's breaker, which is not
// stored.
type hold struct {
	since    time.Time
	reason   string
	operator bool      // only an operator ends it
	pause    pause     // of a team: between two probes
	again    time.Time // when it is announced again; zero: it was
	aside    bool      // requests of other destinations do not wait behind its heads
}

// pause is a time to wait for, which grows.
type pause struct {
	length time.Duration
	until  time.Time
}

// grow waits twice as long as before, from now on.
func (p *pause) grow(now time.Time, longest time.Duration) {
	p.length = min(max(firstProbe, 2*p.length), longest)
	p.until = now.Add(p.length)
}

// holdKey names a hold.
type holdKey struct {
	spool.Destination
	breaker bool // of a team
}

func breakerOf(team string) holdKey {
	return holdKey{Destination: spool.Destination{Team: team}, breaker: true}
}

// holds are all there are. The loop changes them, anybody may ask canSend and isClosed. The zero
// value has none.
type holds struct {
	mu  sync.RWMutex
	all map[holdKey]*hold
}

func (h *holds) set(key holdKey, one *hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[holdKey]*hold{}
	}
	h.all[key] = one
}

func (h *holds) remove(key holdKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, key)
}

// held is the stored hold of a destination, nil if there is none.
func (h *holds) held(at spool.Destination) *hold { return h.all[holdKey{Destination: at}] }

// team is the stored hold of a whole team, nil if there is none.
func (h *holds) team(name string) *hold { return h.held(spool.Destination{Team: name}) }

// byOperator reports whether an operator holds a route or its team: nothing of it is tried.
func (h *holds) byOperator(team, route string) bool {
	whole, one := h.team(team), h.held(spool.Destination{Team: team, Route: route})
	return whole != nil && whole.operator || one != nil && one.operator
}

// breaker is a team's open breaker, nil if it is closed.
func (h *holds) breaker(team string) *hold { return h.all[breakerOf(team)] }

// isClosed reports whether a team's breaker is closed.
func (h *holds) isClosed(team string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.breaker(team) == nil
}

// stored are the destinations of the stored holds.
func (h *holds) stored() (all []spool.Destination) {
	for key := range h.all {
		if !key.breaker {
			all = append(all, key.Destination)
		}
	}
	return all
}

// makeDue has all probes be due.
func (h *holds) makeDue(now time.Time) {
	for _, one := range h.all {
		one.pause.until = now
	}
}

// canSend reports whether nothing holds what a route has for its own inbox. What is
// pending for a former inbox is not in the way.
func (h *holds) canSend(team, route string) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, key := range []holdKey{
		{Destination: spool.Destination{Team: team}},
		{Destination: spool.Destination{Team: team, Route: route}},
		breakerOf(team),
	} {
		if h.all[key] != nil {
			return false
		}
	}
	return true
}

// syncHolds adopts the holds of the store, holds what is pending for destinations
// that the configuration does not have any more, and ends such holds where it has
// them again. It reports whether it could.
func (s *Scheduler) syncHolds() bool {
	stored, err := s.o.Store.Holds(s.ctx)
	if err != nil {
		s.logError("holds could not be read; will retry", err)
		return false
	}
	pending, err := s.o.Store.Destinations(s.ctx)
	if err != nil {
		s.logError("pending requests could not be listed; will retry", err)
		return false
	}
	s.adopt(stored)
	for _, at := range pending {
		if reason := s.noDestination(at); reason != "" {
			s.hold(spool.Hold{Team: at.Team, Route: at.Route, Inbox: at.Inbox, Reason: reason})
		}
	}
	for _, at := range s.holds.stored() {
		switch {
		case at.Inbox == 0: // a probe ends it
		case s.noDestination(at) == "":
			s.release(at, "the configuration has it again")
		case !slices.Contains(pending, at):
			s.release(at, "nothing is pending there any longer")
		}
	}
	return s.adoptThrottles()
}

// adopt remembers the holds of an earlier process, or of an operator, and forgets
// those that an operator has released.
func (s *Scheduler) adopt(stored []spool.Hold) {
	var all []spool.Destination
	for _, h := range stored {
		at := h.Destination()
		all = append(all, at)
		known := s.holds.held(at)
		if known != nil && known.operator == h.Operator && known.reason == h.Reason {
			continue
		}
		s.remember(h)
		if h.Operator {
			s.reportHold(h)
		}
	}
	for _, at := range s.holds.stored() {
		if slices.Contains(all, at) {
			continue
		}
		s.forget(at)
		s.announce(events.Event{
			Kind:   events.Released,
			Time:   s.o.Now(),
			Team:   at.Team,
			Route:  at.Route,
			Reason: "an operator released it: deferred requests there are due now",
		})
	}
	s.adopted = true
}

// reportHold logs a hold of an operator. It is new, unless this process is.
func (s *Scheduler) reportHold(h spool.Hold) {
	e := events.Event{
		Kind:     events.Held,
		Time:     s.o.Now(),
		Team:     h.Team,
		Route:    h.Route,
		Operator: true,
		Reason:   h.String(),
	}
	if s.adopted {
		s.announce(e)
		return
	}
	s.o.Sink.Record(e)
}

// adoptThrottles reads how far teams were slowed down before.
func (s *Scheduler) adoptThrottles() bool {
	for name, options := range s.setup.Teams {
		throttle, err := s.o.Store.Throttled(s.ctx, name)
		if err != nil {
			s.logError("the pace of a team could not be read; will retry", err)
			return false
		}
		t := s.team(name)
		t.throttle = throttle
		t.throttled = t.throttled || throttle.Recovered(options.Rate).After(s.o.Now())
	}
	return true
}

// remember has one more hold. One that was there before is announced again at its
// hour: whether it was, nobody knows.
func (s *Scheduler) remember(h spool.Hold) {
	one := &hold{since: h.Since, reason: h.Reason, operator: h.Operator, again: h.Since.Add(announceAgain)}
	one.pause.grow(s.o.Now(), heldProbe)
	s.forget(h.Destination())
	s.holds.set(holdKey{Destination: h.Destination()}, one)
}

func (s *Scheduler) forget(at spool.Destination) {
	s.holds.remove(holdKey{Destination: at})
	if at.Route == "" {
		s.team(at.Team).trying = false
	}
}

// noDestination explains why what is pending for a destination cannot be sent there,
// and what to do; "" where it can.
func (s *Scheduler) noDestination(at spool.Destination) string {
	_, team := s.setup.Teams[at.Team]
	r, route := s.setup.Routes[at.Route]
	_, smarthost := spool.SmarthostRoute(at.Team)
	problem := ""
	switch {
	case smarthost && team:
		return ""
	case smarthost && route:
		problem = "route " + at.Route + " no longer has a smarthost"
	case smarthost:
		problem = "route " + at.Route + " is no longer in the configuration"
	case !team:
		problem = "team " + at.Team + " is no longer in the configuration"
	case !route:
		problem = "route " + at.Route + " is no longer in the configuration"
	case r.Team != at.Team:
		problem = fmt.Sprintf("route %s now belongs to team %s, no longer to %s", at.Route, r.Team, at.Team)
	case r.Inbox != at.Inbox:
		problem = fmt.Sprintf("route %s now sends from inbox %d, no longer from %d", at.Route, r.Inbox, at.Inbox)
	default:
		return ""
	}
	kind := ""
	if smarthost {
		kind = " to a route with a smarthost"
	}
	return fmt.Sprintf(
		"%s: restore it, or move its mail%s (heyrelay queue retry --state waiting --from-route %s --route NEW)",
		problem, kind, at.Route)
}

// hold holds a destination, unless it is held.
func (s *Scheduler) hold(h spool.Hold) {
	if s.holds.held(h.Destination()) != nil {
		return
	}
	h.Since = s.o.Now()
	e := events.Event{Kind: events.Held, Time: h.Since, Team: h.Team, Route: h.Route, Reason: h.Reason}
	if err := s.o.Store.Hold(s.ctx, h.Since, h, s.setup.Event(e)); err != nil {
		s.logError("a hold could not be stored", err)
		return
	}
	s.remember(h)
	s.o.Sink.Record(e)
}

// release ends the hold of a destination, and reports whether it could.
func (s *Scheduler) release(at spool.Destination, why string) bool {
	e := events.Event{Kind: events.Released, Time: s.o.Now(), Team: at.Team, Route: at.Route, Reason: why}
	n, err := s.o.Store.Release(s.ctx, e.Time, at, s.setup.Event(e))
	if err != nil {
		s.logError("a hold could not be released; will retry", err)
		return false
	}
	s.forget(at)
	e.Reason = fmt.Sprintf("%s; %d deferred requests are due now", why, n)
	s.o.Sink.Record(e)
	return true
}

// maintain ends holds that have lasted for HoldMax, announces those that have lasted
// for an hour, and lets other destinations pass. It returns when to come again.
func (s *Scheduler) maintain() (next time.Time) {
	for _, at := range s.holds.stored() {
		h := s.holds.held(at)
		end, ended := s.endHold(at, h)
		next = earlier(next, end)
		if ended {
			continue
		}
		next = earlier(next, s.letOthersPass(at, h))
		next = earlier(next, s.remind(at, h))
	}
	for name := range s.setup.Teams {
		next = earlier(next, s.speedUp(name))
	}
	return next
}

// endHold ends a hold at HoldMax, unless the configuration or an operator ends it. It
// returns when to come again.
func (s *Scheduler) endHold(at spool.Destination, h *hold) (next time.Time, ended bool) {
	end := h.since.Add(s.setup.HoldMax)
	switch {
	case at.Inbox != 0 || h.operator:
		return time.Time{}, false
	case end.After(s.o.Now()):
		return end, false
	case at.Route == "" && s.team(at.Team).probing: // until its result comes
		return time.Time{}, false
	case s.release(at, "held for longer than hold_max"):
		return time.Time{}, true
	}
	return s.o.Now().Add(storePause), false
}

// letOthersPass has the heads of a held destination leave the lanes in which others
// are queued: after LanePatience, or at once where only the configuration ends the
// hold. It returns when to come again.
func (s *Scheduler) letOthersPass(at spool.Destination, h *hold) time.Time {
	when := h.since
	if at.Inbox == 0 {
		when = when.Add(s.setup.LanePatience)
	}
	switch {
	case at.Route == "" || h.aside:
		return time.Time{}
	case when.After(s.o.Now()):
		return when
	}
	if err := s.o.Store.StepAside(s.ctx, at); err != nil {
		s.logError("requests behind a held one could not pass; will retry", err)
		return s.o.Now().Add(storePause)
	}
	h.aside = true
	return time.Time{}
}

// remind announces a hold again that has lasted for an hour. It returns when to come
// again.
func (s *Scheduler) remind(at spool.Destination, h *hold) time.Time {
	now := s.o.Now()
	if h.again.IsZero() || h.again.After(now) {
		return h.again
	}
	h.again = time.Time{}
	who := ""
	if h.operator && h.reason != spool.OperatorReason {
		who = ", by an operator"
	}
	s.announce(events.Event{
		Kind:     events.Held,
		Time:     now,
		Team:     at.Team,
		Route:    at.Route,
		Operator: h.operator,
		Reason:   fmt.Sprintf("still held, since %s%s: %s", h.since.UTC().Format(time.DateTime+" UTC"), who, h.reason),
	})
	return time.Time{}
}
