// Package notify tells those outside what became of mail: its sender by a report
// through a mail server (RFC 3464), the operator's programs by a webhook.
//
// What is to be told is stored as a [spool.Notice] in the transaction that made it
// true. One loop owns all state here: it takes the notices that are due, tells
// each in a goroutine, and writes down what came of it: told, to be tried again
// later, or given up. It sleeps until somebody kicks it, an attempt ends, the
// store says that something is due, or a minute is over: what is not urgent comes
// without a kick.
//
// A notice is told at least once. A crash between telling and writing that down has
// it told again when its lease ends, under the same Message-ID or webhook-id: who
// must not hear a thing twice goes by that.
//
// No report answers a report. It leaves from the null reverse-path and says that it
// is automatic; none is written about mail that came from there, that is a report,
// or that says it is an automatic answer; and none goes to a server that is this
// relay.
package notify

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// Options are what a Notifier works with. All are needed, but that a way that is
// nil is not gone: its notices stay in the store.
type Options struct {
	Store   spool.Notices
	Mailer  *Mailer
	Webhook *Webhook
	Sink    events.Sink
	Now     func() time.Time
	Jitter  func() float64 // uniform in [0,1)
	Grace   time.Duration  // for what is being told, once Run is told to stop
}

// Notifier tells notices. Make one with New.
type Notifier struct {
	o        Options
	kick     chan struct{}
	results  chan result
	attempts sync.WaitGroup

	// The loop's own.
	ctx  context.Context // of Run, without its end: what came of an attempt is written down in any case
	ways []*way
}

// sender delivers one notice and returns the reply. It is called from many
// goroutines.
type sender interface {
	send(ctx context.Context, n spool.Notice) (reply string, err error)
}

// way is a way that notices go, and how stubbornly.
type way struct {
	sender
	kind     spool.Way
	what     string // it tells
	room     int    // attempts at once
	timeout  time.Duration
	first    time.Duration // pause after the first failure; it doubles with each
	most     time.Duration // the longest
	giveUp   time.Duration // age after which a failed attempt is the last
	inFlight int           // attempts under way, or ended and not recorded
}

// result is an attempt that ended.
type result struct {
	way    *way
	notice spool.Notice
	said   string
	err    error
}

const (
	storeTrouble = time.Second // how long the loop waits when the store fails
	glance       = time.Minute // how long it sleeps at the most
)

// New returns a Notifier that does nothing until Run.
func New(o Options) *Notifier {
	n := &Notifier{o: o, kick: make(chan struct{}, 1)}
	if o.Mailer != nil {
		n.ways = append(n.ways, &way{sender: o.Mailer, kind: spool.Mail, what: "a report", room: 4, timeout: 5 * time.Minute,
			first: time.Minute, most: time.Hour, giveUp: 5 * 24 * time.Hour}) // RFC 5321, section 4.5.4.1
	}
	if o.Webhook != nil {
		n.ways = append(n.ways, &way{sender: o.Webhook, kind: spool.Hook, what: "an event", room: 4, timeout: 20 * time.Second,
			first: 5 * time.Second, most: time.Hour, giveUp: 3 * 24 * time.Hour})
	}
	room := 0
	for _, w := range n.ways {
		room += w.room
	}
	n.results = make(chan result, room)
	return n
}

// Kick says that the store may have a new notice. It never blocks.
func (n *Notifier) Kick() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// Record implements events.Sink: it kicks where an event comes with a notice. Of
// what is sent or deferred the sender seldom wants to hear, and it is not urgent.
func (n *Notifier) Record(e events.Event) {
	switch e.Kind {
	case events.Failed, events.Flagged, events.Held, events.Released, events.Backlog, events.Oldest:
		n.Kick()
	}
}

// Run tells notices until ctx ends. Then it begins no more, lets what is being told
// finish for Options.Grace, cuts the rest, and writes down all of it.
func (n *Notifier) Run(ctx context.Context) {
	n.ctx = context.WithoutCancel(ctx)
	attempts, cut := context.WithCancel(n.ctx)
	defer cut()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var ended []result
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case r := <-n.results:
			ended = append(ended, r)
		case <-n.kick:
		case <-timer.C:
		}
		ended = n.record(n.collect(ended))
		next, ok := n.begin(ctx, attempts)
		switch wait := next.Sub(n.o.Now()); {
		case !ok || len(ended) > 0:
			timer.Reset(storeTrouble)
		case next.IsZero():
			timer.Reset(glance)
		default:
			timer.Reset(min(max(0, wait), glance))
		}
	}
	late := time.AfterFunc(n.o.Grace, cut)
	defer late.Stop()
	n.attempts.Wait()
	n.record(n.collect(ended))
}

// collect takes the results that are there already.
func (n *Notifier) collect(ended []result) []result {
	for {
		select {
		case r := <-n.results:
			ended = append(ended, r)
		default:
			return ended
		}
	}
}

// begin takes what is due, as far as there is room, and begins to tell it. next is
// when to come again, ok is false if the store failed.
func (n *Notifier) begin(ctx, attempts context.Context) (next time.Time, ok bool) {
	for _, w := range n.ways {
		free := w.room - w.inFlight
		if free <= 0 {
			continue // a result will wake us
		}
		due, later, err := n.o.Store.Notices(ctx, n.o.Now(), 2*w.timeout, w.kind, free)
		if err != nil {
			if ctx.Err() == nil {
				n.trouble(events.Event{Reason: "the spool could not be asked for what is to be told", Err: err})
			}
			return time.Time{}, false
		}
		for _, notice := range due {
			w.inFlight++
			n.attempts.Go(func() { n.results <- w.attempt(attempts, notice) })
		}
		if next.IsZero() || !later.IsZero() && later.Before(next) {
			next = later
		}
	}
	return next, true
}

// attempt tells a notice once.
func (w *way) attempt(ctx context.Context, notice spool.Notice) result {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	said, err := w.guarded(ctx, notice)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // and not that a connection was closed, which we did
	}
	return result{w, notice, said, err}
}

// guarded tells a notice; a panic over it is a failure of this attempt alone.
func (w *way) guarded(ctx context.Context, notice spool.Notice) (said string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return w.send(ctx, notice)
}

// record writes down what came of attempts, and returns those that the store did
// not take.
func (n *Notifier) record(ended []result) (left []result) {
	for _, r := range ended {
		if err := n.settle(r); err != nil {
			n.trouble(events.Event{Reason: "what was told could not be recorded, this is tried again", Err: err})
			left = append(left, r)
			continue
		}
		r.way.inFlight--
	}
	return left
}

// settle writes down what came of an attempt, and says it.
func (n *Notifier) settle(r result) error {
	now, e := n.o.Now(), about(r)
	switch old := now.Sub(r.notice.Happened) > r.way.giveUp; {
	case r.err == nil:
		if err := n.o.Store.Done(n.ctx, r.notice.ID); err != nil {
			return err
		}
		if r.said != "" {
			e.Kind, e.Time, e.Reason = events.Reported, now, "reported as "+string(r.notice.Report.Action)+": "+plain(r.said, 200)
			n.o.Sink.Record(e)
		}
		return nil
	case errors.As(r.err, new(smarthost.Refused)) || old && !errors.Is(r.err, context.Canceled):
		if err := n.o.Store.Done(n.ctx, r.notice.ID); err != nil {
			return err
		}
		e.Reason = r.way.what + " could not be told and is given up: " + plain(r.err.Error(), 300)
	default:
		e.Due = now.Add(n.pause(r))
		if err := n.o.Store.Defer(n.ctx, r.notice.ID, e.Due); err != nil {
			return err
		}
		e.Reason = r.way.what + " could not be told yet: " + plain(r.err.Error(), 300)
	}
	n.trouble(e)
	return nil
}

// notBefore is a failure after which the other side wants to be left alone for a
// time.
type notBefore struct {
	error
	pause time.Duration
}

// pause is how long a notice waits after a failed attempt: up to a quarter less
// than the backoff says, so that what failed together does not come together; as
// long as it is asked to, within reason. What we cut ourselves is due at once.
func (n *Notifier) pause(r result) time.Duration {
	if errors.Is(r.err, context.Canceled) {
		return 0
	}
	d := r.way.first
	for i := 0; i < r.notice.Tries && d < r.way.most; i++ {
		d *= 2
	}
	d = min(d, r.way.most)
	d -= time.Duration(n.o.Jitter() * float64(d) / 4)
	var asked notBefore
	if errors.As(r.err, &asked) {
		d = max(d, min(asked.pause, r.way.most))
	}
	return d
}

// about is an event about what a notice is about.
func about(r result) (e events.Event) {
	if a := r.notice.Report; a != nil {
		e.QueueID, e.LocalID, e.Sender = a.QueueID, a.LocalID, a.Sender
	}
	e.Attempt = r.notice.Tries + 1
	return e
}

func (n *Notifier) trouble(e events.Event) {
	e.Kind, e.Time = events.Error, n.o.Now()
	n.o.Sink.Record(e)
}
