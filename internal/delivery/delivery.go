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
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// Store is what delivery needs of the spool.
type Store interface {
	Claim(ctx context.Context, now time.Time, lease time.Duration, rooms ...spool.Room) ([]spool.Task, time.Time, error)
	Finish(ctx context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error)
	Release(ctx context.Context, tasks ...spool.Task) error
}

// Team is a Heymarket team: who calls, and how much it may.
type Team struct {
	Client      *heymarket.Client
	Rate        int // calls a minute
	Concurrency int // calls under way at once
}

// Options are what a Scheduler works with. All are needed.
type Options struct {
	Store   Store
	Teams   map[string]Team
	Creator func(route string) (id int64, known bool) // asked at each attempt
	Sink    events.Sink
	Now     func() time.Time
	Jitter  func() float64 // uniform in [0,1)

	Timeout      time.Duration // of one call
	RetryInitial time.Duration
	RetryMax     time.Duration
	Expire       time.Duration // time under trial after which a failed attempt is the last
	Grace        time.Duration // for calls under way, once Run is told to stop
}

// Scheduler delivers. Make one with New.
type Scheduler struct {
	o        Options
	kick     chan struct{}
	results  chan spool.Outcome
	inFlight map[string]int // calls under way, by team; the loop's
	calls    sync.WaitGroup
}

// storeTrouble is how long the loop waits when the store fails.
const storeTrouble = time.Second

// New returns a Scheduler that does nothing until Run.
func New(o Options) *Scheduler {
	room := 0
	for _, t := range o.Teams {
		room += t.Concurrency
	}
	return &Scheduler{
		o:        o,
		kick:     make(chan struct{}, 1),
		results:  make(chan spool.Outcome, room),
		inFlight: map[string]int{},
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
	calls, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var ended []spool.Outcome
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case o := <-s.results:
			ended = append(ended, o)
		case <-s.kick:
		case <-timer.C:
		}
		ended = s.finish(ctx, s.collect(ended))
		next, ok := s.begin(ctx, calls)
		if !ok || len(ended) > 0 {
			next = s.o.Now().Add(storeTrouble)
		}
		if timer.Stop(); !next.IsZero() {
			timer.Reset(max(0, next.Sub(s.o.Now())))
		}
	}
	s.drain(ctx, ended, cut)
}

// collect takes the results that are there already.
func (s *Scheduler) collect(ended []spool.Outcome) []spool.Outcome {
	for {
		select {
		case o := <-s.results:
			ended = append(ended, o)
		default:
			return ended
		}
	}
}

// begin claims what may begin now and begins it. next is when to come again, ok
// is false if the store failed.
func (s *Scheduler) begin(ctx, calls context.Context) (next time.Time, ok bool) {
	rooms := s.rooms()
	if len(rooms) == 0 {
		return time.Time{}, true // a result will wake us
	}
	tasks, next, err := s.o.Store.Claim(ctx, s.o.Now(), s.lease(), rooms...)
	if err != nil {
		if ctx.Err() == nil {
			s.trouble("the spool could not be asked for work", err)
		}
		return time.Time{}, false
	}
	if ctx.Err() != nil { // told to stop while the store was asked
		s.release(ctx, tasks)
		return time.Time{}, true
	}
	for _, t := range tasks {
		s.inFlight[t.Team]++
		s.calls.Go(func() { s.results <- s.call(calls, t) })
	}
	return next, true
}

// rooms says what each team may begin. An eighth of its calls is kept for high.
func (s *Scheduler) rooms() []spool.Room {
	var rooms []spool.Room
	for name, t := range s.o.Teams {
		free := t.Concurrency - s.inFlight[name]
		if free <= 0 {
			continue
		}
		high := min(free, t.Concurrency/8)
		rooms = append(rooms, spool.Room{Team: name, Rate: t.Rate, Free: free - high, High: high})
	}
	return rooms
}

// lease outlasts a call with its repeats after a 401.
func (s *Scheduler) lease() time.Duration { return 4*s.o.Timeout + time.Minute }

// finish records what ended and returns what could not be recorded, to be tried
// again: an answer must not get lost because the disk is full.
func (s *Scheduler) finish(ctx context.Context, ended []spool.Outcome) []spool.Outcome {
	if len(ended) == 0 {
		return nil
	}
	found, err := s.o.Store.Finish(context.WithoutCancel(ctx), s.o.Now(), ended...)
	if err != nil {
		s.trouble("answers of the API could not be recorded, this is tried again", err)
		return ended
	}
	for i, o := range ended {
		s.inFlight[o.Task.Team]--
		s.tell(o, found[i])
	}
	return ended[:0]
}

// release gives tasks back that never reached the network. What cannot be given
// back comes back when its lease ends.
func (s *Scheduler) release(ctx context.Context, tasks []spool.Task) {
	if len(tasks) == 0 {
		return
	}
	if err := s.o.Store.Release(context.WithoutCancel(ctx), tasks...); err != nil {
		s.trouble("claimed requests could not be given back", err)
	}
}

// drain waits for the calls under way and records them.
func (s *Scheduler) drain(ctx context.Context, ended []spool.Outcome, cut context.CancelFunc) {
	late := time.AfterFunc(s.o.Grace, cut)
	defer late.Stop()
	s.calls.Wait()
	s.finish(ctx, s.collect(ended))
}

func (s *Scheduler) trouble(reason string, err error) {
	s.o.Sink.Record(events.Event{Kind: events.Trouble, Time: s.o.Now(), Reason: reason, Err: err})
}

// tell says once what became of an attempt.
func (s *Scheduler) tell(o spool.Outcome, f spool.Finished) {
	t, now := o.Task, s.o.Now()
	e := events.Event{
		Time: now, QueueID: t.QueueID, LocalID: t.LocalID, Sender: t.Sender, To: Targets(t), Route: t.Route, Team: t.Team, Title: t.Title,
		Convo: o.ConvoID, Message: o.MessageID, Attempt: t.Attempt, Status: o.Status, APIID: o.APIID, Reason: o.Reason, Due: o.Due,
	}
	if f.Err != nil {
		e.Kind, e.Reason, e.Err = events.Surprised, "another attempt had begun before this answer came, which changed nothing", f.Err
		s.o.Sink.Record(e)
		return
	}
	switch o.State {
	case spool.Sent:
		e.Kind, e.Took = events.Sent, now.Sub(t.Accepted)
	case spool.Flagged:
		e.Kind = events.Flagged
	case spool.Failed:
		e.Kind = events.Failed
	default:
		e.Kind = events.Deferred
	}
	s.o.Sink.Record(e)
	if f.Foreign {
		e.Kind, e.Reason = events.Surprised, "the answered convo_id is one of other participants, it is not used for replies"
		s.o.Sink.Record(e)
	}
	if f.Replaced != 0 {
		e.Kind, e.Reason = events.Surprised, "the answer to a reply has another convo_id, which replaces ours"
		s.o.Sink.Record(e)
	}
}
