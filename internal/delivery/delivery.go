// Package delivery takes what waits in the spool to the API, within each team's
// budget, and writes down what became of it.
//
// One loop owns all state. It claims tasks, hands each to a goroutine that makes
// the one call, collects the answers and finishes them in the store, and then
// claims again. It sleeps until somebody kicks it, an answer comes, or the store
// says that something is due. What to claim, in which order, and what that costs
// is the store's to say; what an answer means is said here, in outcome.go.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// Store is what delivery needs of the spool.
type Store interface {
	Claim(ctx context.Context, now time.Time, lease time.Duration, rooms ...spool.Capacity) ([]spool.Task, time.Time, error)
	Finish(ctx context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error)
	Unclaim(ctx context.Context, tasks ...spool.Task) error
	Spend(ctx context.Context, now time.Time, team string, rate, calls int) error
	Hold(ctx context.Context, now time.Time, g spool.Hold, event []byte) error
	Release(ctx context.Context, now time.Time, at spool.Destination, event []byte) (woken int, err error)
	AddEvent(ctx context.Context, now time.Time, event []byte) error
	MakeDue(ctx context.Context, now time.Time, team string) (woken int, err error)
	ClockChanged(ctx context.Context, now time.Time, team string) (woken int, err error)
	Holds(ctx context.Context) ([]spool.Hold, error)
	Destinations(ctx context.Context) ([]spool.Destination, error)
	ChangedExternally(ctx context.Context) (bool, error)
}

// Team is a Heymarket team: who calls, and how much it may.
type Team struct {
	Client      *heymarket.Client
	Rate        int // calls a minute
	Concurrency int // calls under way at once

	FailUnqueued bool // what the API took but did not queue has failed, and is not flagged
}

// Route is where the mail of a route goes, and in whose name.
type Route struct {
	Team           string
	Inbox, Creator int64
}

// Options are what a Scheduler works with. All are needed.
type Options struct {
	Store  Store
	Teams  map[string]Team
	Route  func(name string) (r Route, known bool) // asked at each attempt
	Sink   events.Sink
	Now    func() time.Time
	Jitter func() float64 // uniform in [0,1)

	NewLocalID func() string // for a request that goes out anew

	Reports    bool                      // the sender is told of what fails, and of more where the client asked for it
	DelayAfter time.Duration             // age of a message whose delay is reported, where the client asked for it
	Event      func(events.Event) []byte // the notice that a happening is worth, nil for none

	Timeout       time.Duration // of one call
	RetryInitial  time.Duration
	RetryMax      time.Duration
	Expire        time.Duration // time under trial after which a failed attempt is the last
	LanePatience  time.Duration // time under trial after which a head lets its lane go on
	LocalIDMemory time.Duration // age of an unknown outcome from which it is looked up before it is tried again
	HoldMax       time.Duration // a hold ends at the latest
	Grace         time.Duration // for calls under way, once Run is told to stop
}

// Scheduler delivers. Make one with New.
type Scheduler struct {
	o       Options
	kick    chan struct{}
	results chan result
	probes  chan probed
	calls   sync.WaitGroup

	// The loop's own.
	ctx      context.Context // of Run, without its end: what came of a call is written down in any case
	inFlight map[string]int  // calls under way, by team
	guards   map[string]*guard
	clock    *spool.Clock
	jumped   time.Time // when the clock was set last; zero if never
	holds    map[spool.Destination]*hold
	settled  bool // see settle

	shut shutters
}

const (
	storeTrouble = time.Second // how long the loop waits when the store fails
	glance       = time.Second // how often it looks whether an operator changed something
)

// New returns a Scheduler that does nothing until Run.
func New(o Options) *Scheduler {
	room := 0
	for _, t := range o.Teams {
		room += t.Concurrency
	}
	return &Scheduler{
		o:        o,
		kick:     make(chan struct{}, 1),
		results:  make(chan result, room),
		probes:   make(chan probed, len(o.Teams)),
		inFlight: map[string]int{},
		guards:   map[string]*guard{},
		holds:    map[spool.Destination]*hold{},
	}
}

// Kick says that the spool has something new. It never blocks.
func (s *Scheduler) Kick() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends. Then it begins no more calls, lets those under
// way finish for Options.Grace, cuts the rest, whose outcome is then unknown,
// and records all of them before it returns.
func (s *Scheduler) Run(ctx context.Context) {
	s.ctx = context.WithoutCancel(ctx)
	calls, cut := context.WithCancel(s.ctx)
	defer cut()
	s.clock = spool.NewClock(s.o.Now)
	timer, look := time.NewTimer(0), time.NewTicker(glance)
	defer timer.Stop()
	defer look.Stop()
	var ended []spool.Outcome
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case r := <-s.results:
			ended = append(ended, s.learn(r))
		case p := <-s.probes:
			s.probed(p)
		case <-s.kick:
		case <-timer.C:
		case <-look.C:
			changed, err := s.o.Store.ChangedExternally(ctx)
			if jumped := s.watchClock(); !jumped && !changed && err == nil {
				continue
			}
			s.settled = false
		}
		ended = s.finish(s.collect(ended))
		s.settled = s.settled || s.settle()
		soon := s.tend()
		next, ok := s.begin(ctx, calls)
		if next = earlier(next, soon); !ok || !s.settled || len(ended) > 0 {
			next = s.o.Now().Add(storeTrouble)
		}
		if timer.Stop(); !next.IsZero() {
			timer.Reset(max(0, next.Sub(s.o.Now())))
		}
	}
	s.drain(ended, cut)
}

// collect takes the results that are there already.
func (s *Scheduler) collect(ended []spool.Outcome) []spool.Outcome {
	for {
		select {
		case r := <-s.results:
			ended = append(ended, s.learn(r))
		default:
			return ended
		}
	}
}

// watchClock reports whether the clock was set, and has nothing end or wait because
// of that.
func (s *Scheduler) watchClock() bool {
	jump := s.clock.Changed()
	if jump == 0 {
		return false
	}
	s.jumped = s.o.Now().Round(0)
	s.o.Sink.Record(events.Event{Kind: events.Error, Time: s.jumped, Reason: fmt.Sprintf(
		"the clock was set by %v: what sleeps is tried at once, and the time until it expires begins anew", jump.Round(time.Second))})
	for team := range s.o.Teams {
		g := s.guard(team)
		g.breaker.until, g.hold.until = s.jumped, s.jumped
		if _, err := s.o.Store.ClockChanged(s.ctx, s.jumped, team); err != nil {
			s.trouble("what sleeps until a time of the old clock could not be woken", err)
		}
	}
	return true
}

// learn judges a result and lets the guards see it.
func (s *Scheduler) learn(r result) spool.Outcome {
	s.watchClock()
	s.outage(r)
	o := s.judge(r)
	s.watch(r, o)
	o.Report, o.Event = s.report(o), s.o.Event(s.event(o))
	if o.Report == spool.DelayedAction {
		o.Until = o.Task.TrialSince.Add(s.o.Expire)
	}
	if more := r.search.Pages - 1; more > 0 { // the claim paid for one
		if err := s.o.Store.Spend(s.ctx, s.o.Now(), r.task.Team, s.o.Teams[r.task.Team].Rate, more); err != nil {
			s.trouble("the pages of a search could not be charged", err)
		}
	}
	return o
}

// begin claims what may begin now and begins it. next is when to come again, ok
// is false if the store failed.
func (s *Scheduler) begin(ctx, calls context.Context) (next time.Time, ok bool) {
	rooms, next := s.rooms(calls)
	if len(rooms) == 0 {
		return next, true
	}
	tasks, due, err := s.o.Store.Claim(ctx, s.o.Now(), s.lease(), rooms...)
	if err != nil {
		if ctx.Err() == nil {
			s.trouble("the spool could not be asked for work", err)
		}
		return time.Time{}, false
	}
	if ctx.Err() != nil { // told to stop while the store was asked
		s.release(tasks)
		return time.Time{}, true
	}
	for _, t := range s.ours(tasks) {
		s.inFlight[t.Team]++
		s.calls.Go(func() { s.results <- s.call(calls, t) })
	}
	return earlier(next, due), true
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// rooms says what each team may begin, and when to ask again on its own account.
// An eighth of a team's calls is kept for high. A team that is held begins
// nothing but probes of its own; one whose breaker is open begins one call at a
// time.
func (s *Scheduler) rooms(calls context.Context) (rooms []spool.Capacity, next time.Time) {
	now := s.o.Now()
	for name, t := range s.o.Teams {
		g, free := s.guard(name), t.Concurrency-s.inFlight[name]
		if g.hold.on() {
			next = earlier(next, s.probe(calls, name, g))
			continue
		}
		if g.breaker.on() {
			if free = 1 - s.inFlight[name]; g.breaker.until.After(now) {
				next = earlier(next, g.breaker.until)
				continue
			}
		}
		if free <= 0 {
			continue // a result will wake us
		}
		high := min(free, t.Concurrency/8)
		if g.breaker.on() {
			high = 0
		}
		rooms = append(rooms, spool.Capacity{Team: name, Rate: t.Rate, Free: free - high, High: high, Probe: heldProbe})
	}
	return rooms, next
}

// lease outlasts a call with its repeats after a 401.
func (s *Scheduler) lease() time.Duration { return 4*s.o.Timeout + time.Minute }

// finish records what ended and returns what could not be recorded, to be tried
// again: an answer must not get lost because the disk is full.
func (s *Scheduler) finish(ended []spool.Outcome) []spool.Outcome {
	if len(ended) == 0 {
		return nil
	}
	found, err := s.o.Store.Finish(s.ctx, s.o.Now(), ended...)
	switch {
	case err != nil && len(ended) > 1 && !unwritable(err):
		var left []spool.Outcome
		for i := range ended { // one that the store cannot take must not hold up the others
			left = append(left, s.finish(ended[i:i+1:i+1])...)
		}
		return left
	case err != nil:
		s.trouble("answers of the API could not be recorded, this is tried again", err)
		return ended
	}
	for i, o := range ended {
		s.inFlight[o.Task.Team]--
		s.tell(o, found[i])
	}
	return ended[:0]
}

// unwritable reports whether no outcome at all can be recorded.
func unwritable(err error) bool {
	return errors.Is(err, spool.ErrFull) || errors.Is(err, spool.ErrReadOnly) || errors.Is(err, spool.ErrClosed)
}

// release gives tasks back that never reached the network. What cannot be given
// back comes back when its lease ends.
func (s *Scheduler) release(tasks []spool.Task) {
	if len(tasks) == 0 {
		return
	}
	if err := s.o.Store.Unclaim(s.ctx, tasks...); err != nil {
		s.trouble("claimed requests could not be given back", err)
	}
}

// drain waits for the calls under way and records them.
func (s *Scheduler) drain(ended []spool.Outcome, cut context.CancelFunc) {
	late := time.AfterFunc(s.o.Grace, cut)
	defer late.Stop()
	s.calls.Wait()
	s.finish(s.collect(ended))
}

func (s *Scheduler) trouble(reason string, err error) {
	s.o.Sink.Record(events.Event{Kind: events.Error, Time: s.o.Now(), Reason: reason, Err: err})
}
