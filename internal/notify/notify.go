// Package notify reports the outcome of mail: to its sender by a delivery report
// (RFC 3464) that leaves through a smarthost, to the operator's programs by a
// webhook.
//
// Each report is stored as a [spool.Notice] in the transaction that gave rise to it.
// One loop owns all state here: it takes the notices that are due, delivers each in
// a goroutine, and records the outcome: done, deferred, or abandoned. It sleeps
// until it is kicked, an attempt ends, the store has something due, or a minute has
// passed.
//
// Notices are delivered at least once. After a crash between delivery and record, a
// notice is delivered again when its lease ends, with the same Message-ID or
// webhook-id, by which receivers recognise repeats.
//
// No report answers a report. Reports leave from the null reverse-path and are
// marked as automatic; none is written about mail that came from the null
// reverse-path, is a report, or is an automatic reply; and none is sent to a server
// that is this relay.
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

// Setup is what a Notifier can change while it runs. It must not be changed any more. Notices of
// a kind without its way stay in the store.
type Setup struct {
	Mailer  *Mailer       // nil: no reports
	Webhook *Webhook      // nil: no events
	Grace   time.Duration // for attempts under way when Run is to stop
}

// Options are what a Notifier works with. All are required.
type Options struct {
	// Setup returns the set-up in force. An attempt ends with the one with which it began. Kick
	// makes a new one known at once.
	Setup func() *Setup

	Store  spool.Notices
	Sink   events.Sink
	Now    func() time.Time
	Jitter func() float64 // uniform in [0,1)
}

// Notifier delivers notices. Make one with New.
type Notifier struct {
	o        Options
	kick     chan struct{}
	results  chan result
	attempts sync.WaitGroup

	// The loop's own.
	ctx  context.Context // of Run, without its end: outcomes are always recorded
	ways []*way
}

// sender delivers one notice and returns the reply. It is called from many
// goroutines.
type sender interface {
	send(ctx context.Context, n spool.Notice) (reply string, err error)
}

// way is how notices of one kind are delivered, and how persistently.
type way struct {
	by       func(*Setup) sender // returns nil: not at all
	kind     spool.Way
	what     string // a report, an event
	capacity int    // concurrent attempts
	timeout  time.Duration
	first    time.Duration // pause after the first failure; it doubles with each
	most     time.Duration // the longest
	expire   time.Duration // age after which a failed attempt is the last, but for the first minTries
	inFlight int           // attempts that are under way or not recorded yet
}

// ways returns all there are, without attempts.
func ways() []*way {
	return []*way{{
		by:       byMail,
		kind:     spool.Mail,
		what:     "report",
		capacity: 4,
		timeout:  15 * time.Minute, // ten of them for the last reply (RFC 5321, section 4.5.3.2.6)
		first:    time.Minute,
		most:     time.Hour,
		expire:   5 * 24 * time.Hour, // RFC 5321, section 4.5.4.1
	}, {
		by:       byWebhook,
		kind:     spool.Hook,
		what:     "event",
		capacity: 4,
		timeout:  20 * time.Second,
		first:    5 * time.Second,
		most:     time.Hour,
		expire:   3 * 24 * time.Hour,
	}}
}

func byMail(s *Setup) sender {
	if s.Mailer == nil {
		return nil
	}
	return s.Mailer
}

func byWebhook(s *Setup) sender {
	if s.Webhook == nil {
		return nil
	}
	return s.Webhook
}

// result is an attempt that ended.
type result struct {
	way    *way
	notice spool.Notice
	reply  string
	err    error
}

const (
	storeRetry = time.Second // pause of the loop after the store failed
	maxSleep   = time.Minute // of the loop
	minTries   = 10          // of a notice, however old it is: the relay may have been down
)

// New returns a Notifier that does nothing until Run.
func New(o Options) *Notifier {
	n := &Notifier{o: o, kick: make(chan struct{}, 1), ways: ways()}
	capacity := 0
	for _, w := range n.ways {
		capacity += w.capacity
	}
	n.results = make(chan result, capacity)
	return n
}

// Kick wakes the loop, because the store may have a new notice. It never blocks.
func (n *Notifier) Kick() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// Record implements events.Sink: it kicks where an event comes with a notice.
func (n *Notifier) Record(e events.Event) {
	if e.Report {
		n.Kick()
		return
	}
	switch e.Kind {
	case events.Failed, events.Flagged, events.Held, events.Released, events.Backlog, events.Oldest:
		n.Kick()
	}
}

// Run delivers notices until ctx ends. Then it starts no more attempts, lets those
// under way finish for Setup.Grace, cancels the rest, and records them all.
func (n *Notifier) Run(ctx context.Context) {
	n.ctx = context.WithoutCancel(ctx)
	attempts, cancel := context.WithCancel(n.ctx)
	defer cancel()
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
		switch {
		case !ok || len(ended) > 0:
			timer.Reset(storeRetry)
		case next.IsZero():
			timer.Reset(maxSleep)
		default:
			timer.Reset(min(max(0, next.Sub(n.o.Now())), maxSleep))
		}
	}
	late := time.AfterFunc(n.o.Setup().Grace, cancel)
	defer late.Stop()
	n.attempts.Wait()
	n.record(n.collect(ended))
}

// collect adds the results that are available.
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

// begin starts an attempt for each notice that is due, within the ways' capacity.
// next is when to come again; ok is false where the store failed.
func (n *Notifier) begin(ctx, attempts context.Context) (next time.Time, ok bool) {
	setup := n.o.Setup()
	for _, w := range n.ways {
		free := w.capacity - w.inFlight
		by := w.by(setup)
		if by == nil || free <= 0 {
			continue // until the loop is kicked, or a result comes
		}
		due, later, err := n.o.Store.Notices(ctx, n.o.Now(), 2*w.timeout, w.kind, free)
		if err != nil {
			if ctx.Err() == nil {
				n.fail(events.Event{Reason: "cannot read notices from the spool", Err: err})
			}
			return time.Time{}, false
		}
		for _, notice := range due {
			w.inFlight++
			n.attempts.Go(func() { n.results <- w.attempt(attempts, by, notice) })
		}
		if next.IsZero() || !later.IsZero() && later.Before(next) {
			next = later
		}
	}
	return next, true
}

// attempt tries to deliver a notice once.
func (w *way) attempt(ctx context.Context, by sender, notice spool.Notice) result {
	if notice.Unreadable != nil {
		return result{w, notice, "", notice.Unreadable}
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	reply, err := guarded(ctx, by, notice)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // rather than a closed connection
	}
	return result{w, notice, reply, err}
}

// guarded delivers a notice. A panic fails this attempt only.
func guarded(ctx context.Context, by sender, notice spool.Notice) (reply string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return by.send(ctx, notice)
}

// record records the outcome of attempts and returns those that the store did not
// take.
func (n *Notifier) record(ended []result) (left []result) {
	for _, r := range ended {
		if err := n.recordOne(r); err != nil {
			n.fail(events.Event{Reason: "cannot record a delivered notice; will retry", Err: err})
			left = append(left, r)
			continue
		}
		r.way.inFlight--
	}
	return left
}

// recordOne records the outcome of an attempt in the store and the log.
func (n *Notifier) recordOne(r result) error {
	now := n.o.Now()
	e := about(r)
	expired := e.Attempt >= minTries && now.Sub(r.notice.Happened) > r.way.expire
	refused := errors.As(r.err, new(smarthost.Refused))
	switch {
	case r.err == nil:
		if err := n.o.Store.Done(n.ctx, r.notice.ID); err != nil {
			return err
		}
		if r.reply != "" {
			e.Kind = events.Reported
			e.Time = now
			e.Reason = "reported as " + string(r.notice.Report.Action) + ": " + plain(r.reply, 200)
			n.o.Sink.Record(e)
		}
		return nil
	case r.notice.Unreadable != nil || refused || expired && !errors.Is(r.err, context.Canceled):
		if err := n.o.Store.Done(n.ctx, r.notice.ID); err != nil {
			return err
		}
		e.Reason = r.way.what + " abandoned: " + plain(r.err.Error(), 300)
	default:
		e.Due = now.Add(n.pause(r))
		if err := n.o.Store.Defer(n.ctx, r.notice.ID, e.Due); err != nil {
			return err
		}
		e.Reason = r.way.what + " deferred: " + plain(r.err.Error(), 300)
	}
	n.fail(e)
	return nil
}

// notBefore is a failure with a pause that the receiver asked for.
type notBefore struct {
	error
	pause time.Duration
}

// pause is the time from a failed attempt to the next: exponential, less up to a
// quarter, so that what failed together is not retried together; longer where the
// receiver asks for that, within bounds. A canceled attempt is due at once.
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

// about is an event with the message of a notice.
func about(r result) (e events.Event) {
	if a := r.notice.Report; a != nil {
		e.QueueID = a.QueueID
		e.LocalID = a.LocalID
		e.Sender = a.Sender
	}
	e.Attempt = r.notice.Tries + 1
	return e
}

func (n *Notifier) fail(e events.Event) {
	e.Kind = events.Error
	e.Time = n.o.Now()
	n.o.Sink.Record(e)
}
