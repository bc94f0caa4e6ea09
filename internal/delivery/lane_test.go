package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/spool"
)

// lane is a store with one request in one lane: enough to see what the scheduler
// makes of answers. The real stores have their own suite.
type lane struct {
	mu       sync.Mutex
	task     spool.Task
	due      time.Time
	begun    time.Time
	open     bool
	claimed  bool
	outcomes []spool.Outcome
	released int
	failing  int    // Finish fails so many times
	panics   int    // Finish panics so many times
	refuses  string // Finish fails for this queue id
	onClaim  func()
	noting   bool // claims are in holdLog, too
	reserved int  // calls beyond the claims
	throttle spool.Throttle
	holdLog  []string            // holds and releases, in order
	asides   []spool.Destination // where heads step aside
	notices  []string            // notices for the webhook
	standing []spool.Hold
	places   []spool.Destination
	kept     bool // an operator holds one by one all that is pending
	changed  bool // by another process
	stuck    int  // Release fails so many times
	handed   []*spool.Task
	idle     bool // Handed says that Claim has nothing more
	claims   int  // calls of Claim
	content  spool.Content
}

func newLane() *lane {
	return &lane{
		open: true,
		task: spool.Task{
			Request: 1,
			QueueID: "Q",
			LocalID: "L",
			Route:   "support",
			Team:    "shop",
			Inbox:   202,
			To:      []string{"ann@example.com"},
			Title:   "T",
			HTML:    "<p>x</p>",
			Text:    "x",
		},
	}
}

func (l *lane) Content(context.Context, string) (spool.Content, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content, nil
}

func (l *lane) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holdLog = append(l.holdLog, fmt.Sprintf(format, args...))
}

func (l *lane) Reserve(_ context.Context, now time.Time, _ string, _ int) (time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reserved++
	return now, nil
}

func (l *lane) Throttle(_ context.Context, now time.Time, _ string, answer spool.TooMany) (spool.Throttle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.throttle = l.throttle.After(answer, now)
	return l.throttle, nil
}

func (l *lane) Throttled(context.Context, string) (spool.Throttle, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.throttle, nil
}

func (l *lane) StepAside(_ context.Context, at spool.Destination) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asides = append(l.asides, at)
	return nil
}

func (l *lane) Hold(ctx context.Context, now time.Time, g spool.Hold, event []byte) error {
	_ = l.AddEvent(ctx, now, event)
	l.note("hold %v", g.Destination())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standing = append(l.standing, g)
	return nil
}

func (l *lane) Release(ctx context.Context, now time.Time, at spool.Destination, event []byte) (int, error) {
	if l.stuck > 0 {
		l.stuck--
		return 0, errors.New("disk full")
	}
	_ = l.AddEvent(ctx, now, event)
	l.note("release %v", at)
	l.mu.Lock()
	l.standing = slices.DeleteFunc(l.standing, func(h spool.Hold) bool { return h.Destination() == at })
	l.mu.Unlock()
	return l.MakeDue(ctx, now, at.Team)
}

func (l *lane) MakeDue(context.Context, time.Time, string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due = time.Time{}
	return 1, nil
}

func (l *lane) AddEvent(_ context.Context, _ time.Time, event []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if event != nil {
		l.notices = append(l.notices, string(event))
	}
	return nil
}

func (l *lane) ClockChanged(ctx context.Context, now time.Time, _ time.Duration, team string) (int, error) {
	l.note("clock")
	return l.MakeDue(ctx, now, team)
}

// change is what another process does.
func (l *lane) change(places ...spool.Destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.places, l.changed = places, true
}

func (l *lane) ChangedExternally(context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.changed
	l.changed = false
	return changed, nil
}

func (l *lane) Destinations(context.Context) ([]spool.Destination, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places, nil
}

func (l *lane) Sendable(_ context.Context, team string) (all []spool.Destination, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.places {
		if at.Team == team && !l.kept {
			all = append(all, at)
		}
	}
	return all, nil
}

func (l *lane) Holds(context.Context) ([]spool.Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.standing), nil
}

func (l *lane) Claim(
	_ context.Context, now time.Time, _ time.Duration, rooms ...spool.Capacity,
) ([]*spool.Task, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claims++
	if l.noting {
		l.holdLog = append(l.holdLog, "claim")
	}
	if !l.open || l.claimed {
		return nil, time.Time{}, nil
	}
	if l.due.After(now) {
		return nil, l.due, nil
	}
	if l.onClaim != nil {
		l.onClaim()
	}
	l.claimed = true
	l.task.Attempt++
	if l.task.Attempt == 1 {
		l.task.TrialSince = now
	}
	l.begun = now
	return []*spool.Task{l.claim()}, time.Time{}, nil
}

// claim returns the task as it is now.
func (l *lane) claim() *spool.Task {
	task := l.task
	return &task
}

func (l *lane) Handed() ([]*spool.Task, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tasks := l.handed
	l.handed = nil
	return tasks, !l.idle
}

func (l *lane) Withdraw(context.Context) ([]*spool.Task, error) {
	tasks, _ := l.Handed()
	return tasks, nil
}

func (l *lane) Turn(
	ctx context.Context, now time.Time, outcomes []spool.Outcome, lease time.Duration, teams ...spool.Capacity,
) (spool.Turned, error) {
	l.mu.Lock()
	fails := l.failing > 0 || l.panics > 0 || l.refuses != ""
	l.mu.Unlock()
	if fails { // as Finish will
		return spool.Turned{}, errors.New("disk full")
	}
	ended, err := l.Finish(ctx, now, outcomes...)
	if len(teams) == 0 || err != nil {
		return spool.Turned{Ended: ended}, err
	}
	tasks, next, err := l.Claim(ctx, now, lease, teams...)
	return spool.Turned{Ended: ended, Tasks: tasks, Next: next}, err
}

func (l *lane) Finish(_ context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing > 0 {
		l.failing--
		return nil, errors.New("disk full")
	}
	if l.panics > 0 {
		l.panics--
		return nil, fmt.Errorf("%w: oops", spool.ErrPanic)
	}
	for _, o := range outcomes {
		if l.refuses != "" && o.Task.QueueID == l.refuses {
			return nil, errors.New("a rule is broken")
		}
	}
	l.outcomes = append(l.outcomes, outcomes...)
	for _, o := range outcomes {
		if o.Event != nil {
			l.notices = append(l.notices, string(o.Event))
		}
		l.claimed, l.open, l.due = false, o.State.Open(), o.Due
		l.task.Unknown, l.task.Call = (l.task.Unknown || o.Unknown) && !o.ProvenAbsent, o.NextCall
		if o.ProvenAbsent {
			l.task.Sends = nil
		}
		if o.Unknown {
			l.task.Sends = append(l.task.Sends, l.begun)
		}
		if o.RouteRefused {
			l.task.RouteRefusedAt = now
		}
	}
	return make([]spool.Finished, len(outcomes)), nil
}

func (l *lane) Unclaim(_ context.Context, tasks ...*spool.Task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released += len(tasks)
	l.claimed = false
	return nil
}
