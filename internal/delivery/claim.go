package delivery

import (
	"context"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

const (
	exchanges   = 5           // HTTP exchanges of one call at most: two for each of two secrets, and one for a key
	leaseMargin = time.Minute // for recording the outcome of a call that took as long as it may
	maxSearches = 2           // searches of a team at once
)

// callLimit is how long one call may take, with its repeats after a 401 and the
// pages of a search.
func (s *Setup) callLimit() time.Duration { return exchanges * s.Timeout }

// lease outlasts a call, and a transaction with a smarthost.
func (s *Setup) lease() time.Duration {
	limit := s.callLimit()
	for _, t := range s.Teams {
		if t.Server != nil {
			limit = max(limit, mailLimit)
		}
	}
	return limit + leaseMargin
}

// memory is the age from which what a team may have sent is searched for; 0: never, as a smarthost
// has nothing to search.
func (s *Setup) memory(t Team) time.Duration {
	if t.Server != nil {
		return 0
	}
	return s.LocalIDMemory
}

// begin records outcomes, claims what may begin then, and begins it. It returns the outcomes that
// could not be recorded. next is when to come again, ok is false if the store failed.
func (s *Scheduler) begin(
	ctx, calls context.Context, ended []spool.Outcome, all bool,
) (left []spool.Outcome, next time.Time, ok bool) {
	s.takeHanded(calls)
	capacities, next := s.capacities(calls, ended)
	if len(capacities) == 0 && len(ended) == 0 {
		if s.standing {
			s.withdraw()
		}
		return nil, next, true
	}
	s.standing = true
	step := events.Step{Name: "claim", Start: s.o.Now()}
	left, tasks, err := s.claim(ctx, step.Start, ended, all, capacities)
	if err != nil {
		if ctx.Err() == nil {
			s.logError("pending requests could not be claimed", err)
		}
		return left, time.Time{}, false
	}
	if ctx.Err() != nil { // Run was to stop meanwhile
		s.unclaim(tasks)
		return left, time.Time{}, true
	}
	step.End = s.o.Now()
	s.start(calls, tasks, step)
	return left, earlier(next, s.next), true
}

// claim claims, and unless all is to be claimed records outcomes before: in one transaction where it
// can.
func (s *Scheduler) claim(
	ctx context.Context, now time.Time, ended []spool.Outcome, all bool, capacities []spool.Capacity,
) (left []spool.Outcome, tasks []*spool.Task, err error) {
	if !all {
		turned, err := s.o.Store.Turn(s.ctx, now, ended, s.setup.lease(), capacities...)
		if err == nil {
			s.finished(ended, turned.Ended, now)
			s.next = earlier(s.next, turned.Next)
			return nil, turned.Tasks, nil
		}
		left = s.finish(ended)
	}
	tasks, s.next, err = s.o.Store.Claim(ctx, now, s.setup.lease(), capacities...)
	return left, tasks, err
}

// takeHanded begins what the store has claimed for this Scheduler, and reports whether a claim may
// have more.
func (s *Scheduler) takeHanded(calls context.Context) bool {
	tasks, more := s.o.Store.Handed()
	now := s.o.Now()
	s.start(calls, tasks, events.Step{Name: "claim", Start: now, End: now})
	return more
}

// withdraw has the store claim nothing more by itself, and gives back what it has claimed.
func (s *Scheduler) withdraw() {
	tasks, err := s.o.Store.Withdraw(s.ctx)
	if err != nil {
		s.logError("the store still claims what it accepts", err)
	}
	s.standing = err != nil
	s.unclaim(tasks)
}

// start begins the calls of tasks.
func (s *Scheduler) start(calls context.Context, tasks []*spool.Task, claim events.Step) {
	setup := s.setup
	for _, t := range s.sendable(tasks) {
		s.team(t.Team).began(t.Call)
		s.bodies += t.Bodies()
		r := &result{setup: setup, task: t, progress: s.searches[t.Request]}
		delete(s.searches, t.Request)
		s.calls.Go(func() {
			s.call(calls, r, claim)
			s.results <- r
		})
	}
}

// capacities are what each team may begin once outcomes are recorded. next is when to ask again on
// its account. An eighth of a team's calls is kept for high. A team that is held begins only
// probes, and one message once these pass; one whose breaker is open begins one call at a time.
func (s *Scheduler) capacities(calls context.Context, ended []spool.Outcome) (all []spool.Capacity, next time.Time) {
	now := s.o.Now()
	bodies := s.bodiesLeft(ended)
	if bodies < 0 {
		return nil, time.Time{} // until a result comes
	}
	for name, options := range s.setup.Teams {
		active, searches := s.activeWithout(name, ended)
		free := options.Concurrency - active
		high := min(max(free, 0), options.Concurrency/8)
		held, breaker := s.holds.team(name), s.holds.breaker(name)
		switch {
		case held != nil && !s.team(name).trying:
			next = earlier(next, s.probe(calls, name, held))
			continue
		case breaker != nil && breaker.pause.until.After(now):
			next = earlier(next, breaker.pause.until)
			continue
		case held != nil || breaker != nil:
			free = 1 - active
			high = 0
		}
		if free <= 0 {
			continue // until a result comes
		}
		all = append(all, spool.Capacity{
			Team:     name,
			Rate:     options.Rate,
			Free:     free - high,
			High:     high,
			Probe:    heldProbe,
			TryHeld:  held != nil,
			Searches: maxSearches - searches,
			Memory:   s.setup.memory(options),
			Bodies:   bodies,
			Lasts:    held == nil && breaker == nil,
		})
	}
	return all, next
}

// activeWithout is how many calls of a team are active once outcomes are recorded, and how many of
// them are searches.
func (s *Scheduler) activeWithout(team string, ended []spool.Outcome) (active, searches int) {
	t := s.team(team)
	active, searches = t.active, t.searches
	for i := range ended {
		if o := &ended[i]; o.Task.Team == team {
			active--
			searches -= searchesOf(o.Task.Call)
		}
	}
	return active, searches
}

// bodiesLeft is how many octets of bodies each team may begin with once outcomes are recorded; 0: any
// number; negative: none.
func (s *Scheduler) bodiesLeft(ended []spool.Outcome) int64 {
	if s.setup.Bodies == 0 {
		return 0
	}
	left := s.setup.Bodies - s.bodies
	for i := range ended {
		left += ended[i].Task.Bodies()
	}
	if left <= 0 {
		return -1
	}
	return max(1, left/int64(len(s.setup.Teams)))
}

// sendable are those of tasks that can be sent to their destination. The others have
// none in the configuration since an operator moved them: they go back, and are held.
func (s *Scheduler) sendable(tasks []*spool.Task) []*spool.Task {
	good := tasks[:0]
	var lost []*spool.Task
	for _, t := range tasks {
		at := spool.Destination{Team: t.Team, Route: t.Route, Inbox: t.Inbox}
		reason := s.noDestination(at)
		if reason == "" {
			good = append(good, t)
			continue
		}
		lost = append(lost, t)
		s.hold(spool.Hold{Team: at.Team, Route: at.Route, Inbox: at.Inbox, Reason: reason})
	}
	s.unclaim(lost)
	return good
}

// unclaim gives back tasks that never reached the network. What cannot be given
// back comes back when its lease ends.
func (s *Scheduler) unclaim(tasks []*spool.Task) {
	if len(tasks) == 0 {
		return
	}
	if err := s.o.Store.Unclaim(s.ctx, tasks...); err != nil {
		s.logError("claimed requests could not be given back", err)
	}
}
