package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/spool"
)

// offer is what is left of a capacity that stands.
type offer struct {
	room  spool.Capacity
	lease time.Duration
	idle  bool      // the team had nothing that was ready
	opens time.Time // the budget of the team was spent until then; zero: it was not
}

// handed are tasks that Accept claimed, until they are taken.
type handed struct {
	mu    sync.Mutex
	tasks []*spool.Task
	more  bool // see spool.Delivery.Handed

	announced     []*spool.Task // committed, and not durable yet
	moreAnnounced bool
}

// announce adds what was committed.
func (h *handed) announce(tasks []*spool.Task, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.announced = append(h.announced, tasks...)
	h.moreAnnounced = h.moreAnnounced || more
}

// deliver has take return what was announced: it is durable.
func (h *handed) deliver() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tasks = append(h.tasks, h.announced...)
	h.more = h.more || h.moreAnnounced
	h.announced, h.moreAnnounced = nil, false
}

func (h *handed) take() (tasks []*spool.Task, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tasks, more = h.tasks, h.more
	h.tasks, h.more = nil, false
	return tasks, more
}

// spend reduces a capacity by the tasks of its team that were not taken yet.
func (h *handed) spend(room *spool.Capacity) {
	h.mu.Lock()
	defer h.mu.Unlock()
	spendAll(room, h.tasks)
	spendAll(room, h.announced)
}

func spendAll(room *spool.Capacity, tasks []*spool.Task) {
	for _, t := range tasks {
		if t.Team == room.Team {
			room.Free--
			room.Spend(t.Bodies())
		}
	}
}

// Handed implements spool.Store.
func (s *Store) Handed() (tasks []*spool.Task, more bool) { return s.handed.take() }

// Withdraw implements spool.Store.
func (s *Store) Withdraw(ctx context.Context) ([]*spool.Task, error) {
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) {
		w.offers = map[string]offer{}
		return struct{}{}, nil
	})
	tasks, _ := s.handed.take()
	return tasks, err
}

// Turn implements spool.Store.
func (s *Store) Turn(
	ctx context.Context, now time.Time, outcomes []spool.Outcome, lease time.Duration, teams ...spool.Capacity,
) (spool.Turned, error) {
	var c *claim
	o := &op{ctx: ctx}
	o.canWait = func(w *writer) bool { return !mayHave(w.stand, now, teams) }
	ended, err := ask(s, s.ops, o, func(w *writer) ([]spool.Finished, error) {
		all, err := w.finishAll(now, outcomes)
		if err != nil {
			return nil, err
		}
		c = s.newClaim(w, now, lease)
		if mayHave(c.offers, now, teams) {
			return all, c.claim(teams)
		}
		c.renew(teams)
		for i := range outcomes {
			if outcomes[i].State == spool.Deferred {
				c.wait(outcomes[i].Due)
			}
		}
		return all, nil
	})
	if err != nil {
		return spool.Turned{}, err
	}
	s.waiters.notify(outcomes)
	return spool.Turned{Ended: ended, Tasks: c.tasks, Next: c.next}, nil
}

// mayHave reports whether one of teams may have something to begin that it did not have at its last claim,
// which left offers.
func mayHave(offers map[string]offer, now time.Time, teams []spool.Capacity) bool {
	return slices.ContainsFunc(teams, func(team spool.Capacity) bool {
		o, known := offers[team.Team]
		return !known || !o.idle && !o.opens.After(now)
	})
}

// renew has capacities stand instead of what was left of those before.
func (c *claim) renew(teams []spool.Capacity) {
	last := c.offers
	c.offers = map[string]offer{}
	for _, room := range teams {
		if !room.Lasts {
			continue
		}
		c.outstanding(&room)
		o := last[room.Team]
		o.room, o.lease = room, c.lease
		c.offers[room.Team] = o
	}
}

// outstanding reduces a capacity by the tasks of its team that were handed to nobody yet: it does not
// know of them.
func (w *writer) outstanding(room *spool.Capacity) {
	w.handed.spend(room)
	spendAll(room, w.tasks)
}

// ready notes that a request of a team is ready, and waits for Claim.
func (w *writer) ready(team string) {
	o, known := w.offers[team]
	w.more = w.more || !known || o.opens.IsZero()
	if known {
		o.idle = false
		w.offers[team] = o
	}
}

// claimed is what the claim of a new request makes of it. The zero value is none.
type claimed struct {
	began, due time.Time
	attempts   int
}

// claimNew claims a new request of class, head of its lane, if its team offers to take one and has
// nothing else that is ready: then it is the next that Claim would take.
func (w *writer) claimNew(m *incoming, class spool.Priority) (c claimed, err error) {
	o, known := w.offers[m.Team]
	if !known || !o.idle || o.room.Free <= 0 {
		return c, nil
	}
	g, err := w.gate(m.Team)
	if err != nil {
		return c, err
	}
	now := w.now()
	at := spool.Destination{Team: m.Team, Route: m.Route, Inbox: m.Inbox}
	_, held := g.isHeld(at)
	if g.held || held || !g.throttle.Shut(now).IsZero() {
		return c, nil
	}
	next, ok := spool.Spend(g.throttle.Pace(o.room.Rate, now), now, g.next)
	g.spend(next)
	if !ok {
		return c, nil
	}
	g.tick++
	w.served[stream{m.Team, class, false}] = at
	o.room.Free--
	o.room.Spend(int64(len(m.HTML) + len(m.Text)))
	w.offers[m.Team] = o
	return claimed{began: now, due: now.Add(o.lease), attempts: 1}, nil
}

// hand notes the task of a request that claimNew claimed.
func (w *writer) hand(m *incoming, i int, id int64, p placed, a arrival) {
	r := &m.Requests[i]
	t := &spool.Task{
		Request: id, Attempt: 1, Call: spool.Send,
		QueueID: m.QueueID, LocalID: r.LocalID,
		Route: m.Route, Team: m.Team, Sender: m.Sender, Inbox: m.Inbox,
		To: slices.Clone(r.To), Cc: slices.Clone(r.Cc), Participants: r.Participants,
		Title: m.Title, ConvoID: p.convoID,
		HTML: m.HTML, Text: m.Text, SubjectOffset: m.SubjectOffset,
		Accepted: moment(stamp(m.Accepted)), TrialSince: moment(stamp(a.began)),
		DSN: slices.Clone(r.DSN), EnvelopeID: m.EnvelopeID, Return: m.Return,
	}
	if a.line {
		t.Subject = m.Title
	}
	w.tasks = append(w.tasks, t)
}
