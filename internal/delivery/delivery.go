// Package delivery sends the pending requests of the spool to the API, within each
// team's budget, or as mail to a smarthost, and records their outcomes.
//
// One loop owns all state. It claims tasks, hands each to a goroutine that makes
// one call, collects the results, finishes them in the store, and claims again. It
// sleeps until it is kicked, a result comes, or the store has something due. The
// store decides what to claim, in which order, and what that costs; outcome.go
// decides what an answer means for its request, route.go and team.go what it means
// for others, and holds.go keeps what must not be sent.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// Team is a Heymarket team, or what leaves by a smarthost: its client and its limits.
type Team struct {
	Client      *heymarket.Client // of the API, or nil
	Server      *smarthost.Server // else nil
	Rate        int               // calls a minute
	Concurrency int               // calls at once

	FailUnqueued bool // what the API accepted but did not queue fails, and is not flagged
}

// Route is where the mail of a route goes, and in whose name.
type Route struct {
	Team           string
	Inbox, Creator int64
	Expire         time.Duration // in place of Setup.Expire, 0: that
}

// Setup is what a Scheduler can change while it runs: teams, routes and times. It must not
// be changed any more. All fields are required.
type Setup struct {
	Teams  map[string]Team // what leaves by smarthosts is named by spool.SmarthostTeam
	Routes map[string]Route

	Reports    bool                      // failures are reported to senders, and more where the client asked for it
	DelayAfter time.Duration             // age of a message whose delay is reported, where the client asked for it
	Event      func(events.Event) []byte // the notice of an event, nil for none

	Bodies int64 // octets that the bodies of all active calls may have, but for one more of each team; 0: any number

	Timeout       time.Duration // of one HTTP exchange
	RetryInitial  time.Duration
	RetryMax      time.Duration
	Expire        time.Duration // time under trial after which a failed attempt is the last
	LanePatience  time.Duration // time under trial after which a head leaves its lane
	LocalIDMemory time.Duration // age of an unknown outcome from which a search comes before the next send
	HoldMax       time.Duration // the longest hold
	Grace         time.Duration // for active calls once Run is to stop
}

// expire is the time under trial after which a failed attempt of a route's request is the last.
func (s *Setup) expire(route string) time.Duration { return cmp.Or(s.Routes[route].Expire, s.Expire) }

// Options configure a Scheduler. All are required.
type Options struct {
	// Setup returns the set-up in force. A call ends with the one with which it began. Kick
	// makes a new one known at once.
	Setup func() *Setup

	Store  spool.Delivery
	Sink   events.Sink
	Now    func() time.Time
	Jitter func() float64 // uniform in [0,1)

	NewLocalID func() string // for a request that goes out anew
}

// longestWait is the longest deliberate pause that does not depend on the
// configuration: between two probes, and of a refused request.
const longestWait = heldProbe

// MaxWait returns the longest time for which a request is ever deferred. A due time
// further ahead was set before the clock was set back.
func MaxWait(retryMax time.Duration) time.Duration { return max(retryMax, longestWait) }

// Scheduler delivers. Make one with New.
type Scheduler struct {
	o       Options
	kick    chan struct{}
	arrived chan struct{}
	results chan *result
	probes  chan probeResult
	calls   sync.WaitGroup
	holds   holds

	// The loop's own.
	setup    *Setup
	ctx      context.Context // of Run, without its end: outcomes are recorded in any case
	stopping <-chan struct{} // closed when Run is to stop
	teams    map[string]*team
	bodies   int64                   // octets of those of all calls that have not been recorded yet
	steps    map[int64][]events.Step // of the attempts that are not recorded yet, by request
	searches map[int64]*progress     // that go on with the next attempt, by request
	clock    *spool.Clock
	clockSet time.Time // when the clock was set last; zero if never
	next     time.Time // when Claim may have more; zero if never
	standing bool      // capacities may stand in the store
	synced   bool      // see syncHolds
	adopted  bool      // the holds of the store were read once
}

const (
	storePause   = time.Second // before the store is asked again after an error
	pollInterval = time.Second // between two looks for changes by an operator
)

// New returns a Scheduler that does nothing until Run.
func New(o Options) *Scheduler {
	return &Scheduler{
		o:       o,
		kick:    make(chan struct{}, 1),
		arrived: make(chan struct{}, 1),
		results: make(chan *result),
		probes:  make(chan probeResult),
		teams:   map[string]*team{},
		steps:   map[int64][]events.Step{},

		searches: map[int64]*progress{},
		setup:    o.Setup(),
	}
}

// Kick reports that the spool or the set-up has something new. It never blocks.
func (s *Scheduler) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Accepted reports that the store of this Scheduler has accepted a message. It never blocks.
func (s *Scheduler) Accepted() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// CanSend reports whether pending requests of a route are being sent: neither it nor
// its team is held, and the team's breaker is closed. It may be called by many
// goroutines.
func (s *Scheduler) CanSend(team, route string) bool { return s.holds.canSend(team, route) }

// Responds reports whether the calls of a team are answered: its breaker is closed. It
// may be called by many goroutines.
func (s *Scheduler) Responds(team string) bool { return s.holds.isClosed(team) }

// Run delivers until ctx ends. Then it begins no more calls, lets active ones finish
// for Setup.Grace, cuts the rest, whose outcome is then unknown, and records all
// of them before it returns.
func (s *Scheduler) Run(ctx context.Context) {
	s.ctx = context.WithoutCancel(ctx)
	s.stopping = ctx.Done()
	calls, cut := context.WithCancel(s.ctx)
	defer cut()
	s.clock = spool.NewClock(s.o.Now)
	timer := time.NewTimer(0)
	defer timer.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	var ended []spool.Outcome
	for ctx.Err() == nil {
		all := true // what is due, and what others did, is claimed, too
		select {
		case <-ctx.Done():
			continue
		case r := <-s.results:
			ended = append(ended, s.conclude(r))
			all = false
		case <-s.arrived:
			all = false
			if !s.takeHanded(calls) {
				continue
			}
		case p := <-s.probes:
			s.probed(p)
		case <-s.kick:
		case <-timer.C:
		case <-poll.C:
			if !s.changed(ctx) {
				continue
			}
			s.synced = false
		}
		var next time.Time
		ended, next = s.round(ctx, calls, ended, all)
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(0, next.Sub(s.o.Now())))
		}
	}
	s.withdraw()
	s.drain(ended, cut)
}

// changed reports whether an operator changed the spool, or the clock was set.
func (s *Scheduler) changed(ctx context.Context) bool {
	changed, err := s.o.Store.ChangedExternally(ctx)
	return s.checkClock() || changed || err != nil
}

// round records results and begins new calls. It returns the results that could not
// be recorded, and when to come again; zero for not by itself.
func (s *Scheduler) round(ctx, calls context.Context, ended []spool.Outcome, all bool) ([]spool.Outcome, time.Time) {
	set := s.checkClock() // before a claim, which would take what is active for lost
	overdue := !s.next.IsZero() && !s.next.After(s.o.Now())
	all = s.takeSetup() || all || set || overdue || !s.synced
	ended = s.collect(ended)
	var left []spool.Outcome
	if all {
		left, ended = s.finish(ended), nil
	}
	s.synced = s.synced || s.syncHolds()
	soon := s.maintain()
	unrecorded, next, ok := s.begin(ctx, calls, ended, all)
	left = append(left, unrecorded...)
	if ok {
		s.endTries()
	}
	if !ok || !s.synced || len(left) > 0 {
		return left, s.o.Now().Add(storePause)
	}
	return left, earlier(next, soon)
}

// takeSetup takes the set-up in force, and reports whether it is new. Then it may have other
// destinations, and may have mended what a probe waits for.
func (s *Scheduler) takeSetup() bool {
	now := s.o.Setup()
	if now == s.setup {
		return false
	}
	s.setup = now
	s.synced = false
	clear(s.searches)
	s.holds.makeDue(s.o.Now())
	return true
}

// collect takes the results that are there already.
func (s *Scheduler) collect(ended []spool.Outcome) []spool.Outcome {
	for {
		select {
		case r := <-s.results:
			ended = append(ended, s.conclude(r))
		default:
			return ended
		}
	}
}

// checkClock reports whether the clock was set, makes due what is deferred, and lets what
// is active go on, so that nothing expires, waits or is repeated because of that.
func (s *Scheduler) checkClock() bool {
	jump := s.clock.Changed()
	if jump == 0 {
		return false
	}
	s.clockSet = s.o.Now().Round(0)
	s.o.Sink.Record(events.Event{
		Kind: events.Error,
		Time: s.clockSet,
		Reason: fmt.Sprintf(
			"the clock was set by %v: deferred requests are tried now, and the time until they expire starts over",
			jump.Round(time.Second)),
	})
	s.holds.makeDue(s.clockSet)
	for team := range s.setup.Teams {
		if _, err := s.o.Store.ClockChanged(s.ctx, s.clockSet, s.setup.lease(), team); err != nil {
			s.logError("requests deferred by the old clock could not be made due", err)
		}
	}
	return true
}

// finish records outcomes and returns those that could not be recorded, to be tried
// again: an answer must not get lost because the disk is full.
func (s *Scheduler) finish(ended []spool.Outcome) []spool.Outcome {
	if len(ended) == 0 {
		return nil
	}
	began := s.o.Now()
	found, err := s.o.Store.Finish(s.ctx, began, ended...)
	switch {
	case err != nil && len(ended) > 1 && !unwritable(err):
		var left []spool.Outcome
		for i := range ended { // one that the store cannot take must not hold up the others
			left = append(left, s.finish(ended[i:i+1:i+1])...)
		}
		return left
	case errors.Is(err, spool.ErrPanic):
		s.logError("an outcome could not be recorded: the request fails", err)
		return []spool.Outcome{plainFailure(ended[0], err)}
	case err != nil:
		s.logError("outcomes could not be recorded; will retry", err)
		return ended
	}
	s.finished(ended, found, began)
	return ended[:0]
}

// finished takes into account that outcomes were recorded.
func (s *Scheduler) finished(ended []spool.Outcome, found []spool.Finished, began time.Time) {
	for i, o := range ended {
		s.team(o.Task.Team).ended(o.Task.Call)
		s.bodies -= o.Task.Bodies()
		steps := append(s.steps[o.Task.Request], events.Step{Name: "finish", Start: began, End: s.o.Now()})
		delete(s.steps, o.Task.Request)
		s.record(o, found[i], steps)
	}
}

// plainFailure is what is recorded where an outcome panics in the store.
func plainFailure(o spool.Outcome, err error) spool.Outcome {
	return spool.Outcome{
		Task:    o.Task,
		State:   spool.Failed,
		Unknown: o.Task.Call == spool.Send,
		Reason:  "its outcome could not be recorded: " + firstLine(err.Error()),
	}
}

// unwritable reports whether no outcome at all can be recorded.
func unwritable(err error) bool {
	return errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrReadOnly) || errors.Is(err, spool.ErrClosed)
}

// drain waits for active calls and probes, and records the calls.
func (s *Scheduler) drain(ended []spool.Outcome, cut context.CancelFunc) {
	late := time.AfterFunc(s.setup.Grace, cut)
	defer late.Stop()
	all := make(chan struct{})
	go func() {
		s.calls.Wait()
		close(all)
	}()
	for {
		select {
		case r := <-s.results:
			ended = append(ended, s.conclude(r))
		case <-s.probes:
		case <-all:
			s.finish(ended)
			return
		}
	}
}

func (s *Scheduler) logError(reason string, err error) {
	s.o.Sink.Record(events.Event{Kind: events.Error, Time: s.o.Now(), Reason: reason, Err: err})
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
