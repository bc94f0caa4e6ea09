package sqlite

import (
	"context"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// Claim implements spool.Store.
func (s *Store) Claim(
	ctx context.Context, now time.Time, lease time.Duration, teams ...spool.Capacity,
) ([]*spool.Task, time.Time, error) {
	c, err := run(ctx, s, 0, func(w *writer) (*claim, error) {
		c := s.newClaim(w, now, lease)
		return c, c.claim(teams)
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return c.tasks, c.next, nil
}

func (s *Store) newClaim(w *writer, now time.Time, lease time.Duration) *claim {
	return &claim{writer: w, now: now, lease: lease, maxWait: s.limits().MaxWait, beforeLoad: s.beforeLoad}
}

// claim is one run of Claim.
type claim struct {
	*writer
	now   time.Time
	lease time.Duration

	maxWait time.Duration
	gateOf  *gate                // of the present team
	empty   map[stream]time.Time // of the present team, where nothing can begin before a probe; zero: without one
	tasks   []*spool.Task
	next    time.Time // when there may be more

	beforeLoad func(request int64)
}

// stream is a set of ready heads of one team that routes take turns in: those of
// one effective priority, with searches apart.
type stream struct {
	team   string
	class  spool.Priority
	search bool
}

const sqlNextDue = `SELECT due FROM request WHERE ` + isDeferred + ` ORDER BY due LIMIT 1`

func (c *claim) claim(teams []spool.Capacity) error {
	if err := c.makeDueReady(); err != nil {
		return err
	}
	c.offers = map[string]offer{}
	for _, team := range teams {
		if err := c.team(team); err != nil {
			return fmt.Errorf("claim for team %s: %w", team.Team, err)
		}
	}
	if ends, ok := c.leases.next(); ok {
		c.wait(moment(ends))
	}
	var due int64
	ok, err := c.get(sqlNextDue, nil, &due)
	if ok {
		c.wait(moment(due))
	}
	return err
}

// wait makes t the time to claim again, if it is the earliest.
func (c *claim) wait(t time.Time) {
	if c.next.IsZero() || t.Before(c.next) {
		c.next = t
	}
}

// dueAtOnce is how many requests one claim makes ready, of those that were lost or are due.
const dueAtOnce = 500

const (
	sqlDue = `SELECT id, team, route, state FROM request WHERE ` + isDeferred + ` AND due <= ? ORDER BY due LIMIT 500`

	// Too long a deferral is rare.
	sqlOverdue = `SELECT id, team, route, state FROM request WHERE ` + isDeferred + ` AND due > ? LIMIT 500`

	sqlMakeReady = `
UPDATE request
   SET state = ` + ready + `, due = 0, unknown = unknown OR ` + isActive + ` AND ` + callIsSend + `, seq = ?
 WHERE id = ?`
)

// sqlLost writes down an attempt whose end nobody recorded.
const sqlLost = `
INSERT INTO attempt (request, n, call, began) SELECT id, attempts, call, began FROM request WHERE id = ?`

// makeDueReady makes ready what was deferred and is due, and what is active and was lost: a
// send may have been carried out.
func (c *claim) makeDueReady() error {
	lost, err := c.makeLapsedReady()
	if err != nil {
		return err
	}
	if _, err := c.makeReady(sqlDue, stamp(c.now)); err != nil {
		return err
	}
	if c.maxWait > 0 {
		n, err := c.makeReady(sqlOverdue, stamp(c.now.Add(c.maxWait)))
		if err != nil {
			return err
		}
		if n == dueAtOnce { // there may be more, whose time is not what the next claim waits for
			c.wait(c.now)
		}
	}
	return c.clearLanesOf(lost)
}

// due is a request that is to be ready again.
type due struct {
	id          int64
	team, route string
	state       spool.State
}

func (r *due) scan(row scanner) error { return row.Scan(&r.id, &r.team, &r.route, &r.state) }

// makeReady makes ready what a query finds, in its order, and returns how much that is.
func (w *writer) makeReady(query string, args ...any) (int, error) {
	all, err := w.dueBy(query, args...)
	if err != nil {
		return 0, err
	}
	return len(all), w.makeAllReady(all)
}

// dueBy returns what a query finds, in its order.
func (w *writer) dueBy(query string, args ...any) (all []due, err error) {
	err = w.each(query, args, func(row scanner) error {
		var r due
		err := r.scan(row)
		all = append(all, r)
		return err
	})
	return all, err
}

// makeAllReady makes requests ready, in their order.
func (w *writer) makeAllReady(all []due) error {
	for _, r := range all {
		if r.state == spool.Active {
			if _, err := w.exec(sqlLost, r.id); err != nil {
				return err
			}
			w.leases.end(r.id)
		}
		seq, err := w.nextSeq(r.team)
		if err != nil {
			return err
		}
		if _, err := w.exec(sqlMakeReady, seq, r.id); err != nil {
			return err
		}
		w.ready(r.team)
		w.moved(r.route, r.state, spool.Ready)
	}
	return nil
}

// conversions is how many requests of a team one claim turns into searches.
const conversions = 100

// team begins what one team may begin.
func (c *claim) team(room spool.Capacity) error {
	g, err := c.gate(room.Team)
	if err != nil || g.held && !room.TryHeld {
		return err
	}
	if until := g.throttle.Shut(c.now); !until.IsZero() {
		c.wait(until)
		return nil
	}
	c.gateOf = g
	c.empty = map[stream]time.Time{}
	left := offer{room: room, lease: c.lease}
	c.outstanding(&left.room)
	err = c.fill(&left)
	if room.Lasts {
		c.offers[room.Team] = left
	}
	return err
}

// fill begins what a capacity and the budget of its team allow, and says what is left.
func (c *claim) fill(o *offer) error {
	g, room := c.gateOf, &o.room
	converted := 0
	rate := g.throttle.Pace(room.Rate, c.now)
	for rate > 0 && room.Free+room.High > 0 {
		h, ok, err := c.pick(*room, g.tick)
		if err != nil {
			return err
		}
		if !ok {
			o.idle = room.Free > 0
			return nil
		}
		after, ok := spool.Spend(rate, c.now, g.next)
		if !ok {
			g.spend(after)
			o.opens = spool.Opens(after)
			c.wait(o.opens)
			return nil
		}
		t, begun, err := c.begin(h, *room)
		if err != nil {
			return err
		}
		if !begun {
			converted++
			if converted == conversions {
				c.wait(c.now)
				return nil
			}
			continue
		}
		g.spend(after)
		spend(room, g, t)
	}
	return nil
}

// spend reduces what a team may begin by one task. A call that only High could have
// had does not count as a turn of the other classes.
func spend(room *spool.Capacity, g *gate, t *spool.Task) {
	if t.Call == spool.FindMessage {
		room.Searches--
	}
	if room.Free > 0 {
		room.Free--
		g.tick++
	} else {
		room.High--
	}
	room.Spend(t.Bodies())
}

// head is a request that may be claimed.
type head struct {
	id    int64
	of    stream
	at    spool.Destination // the destination that took its turn
	probe bool              // of a held route
}

// pick chooses the next head of a team: the class by tick, then the routes in
// turn, then the oldest.
func (c *claim) pick(room spool.Capacity, tick int64) (h head, ok bool, err error) {
	order := spool.ClassOrder(tick)
	classes := order[:]
	if room.Free <= 0 {
		classes = []spool.Priority{spool.High}
	}
	streams := streamsOf(room, classes)
	for _, g := range streams {
		h, ok, err = c.nextOf(g, room.Probe > 0)
		if ok || err != nil {
			return h, ok, err
		}
	}
	for _, g := range streams {
		if probe := c.empty[g]; !probe.IsZero() {
			c.wait(probe)
		}
	}
	return head{}, false, nil
}

// streamsOf are the streams that a team takes from, in their order: in a class, searches come
// first. But only a send ends the hold of a team, so there they come last.
func streamsOf(room spool.Capacity, classes []spool.Priority) (all []stream) {
	var last []stream
	for _, class := range classes {
		search := stream{room.Team, class, true}
		switch {
		case room.Searches <= 0:
		case room.TryHeld:
			last = append(last, search)
		default:
			all = append(all, search)
		}
		all = append(all, stream{room.Team, class, false})
	}
	return append(all, last...)
}

// These statements jump from one destination to the next, over all that is pending
// between. SQLite begins a comparison of rows at their equals even where they are
// excluded, and would step through all of the destination: so it begins at the next
// inbox.
const (
	sqlReady = `
SELECT id, route, inbox FROM request
 WHERE ` + isReady + ` AND ` + callNotFind + ` AND team = ? AND effective_priority = ? AND (route, inbox) >= (?, ? + 1)
 ORDER BY route, inbox, seq LIMIT 1`

	sqlSearch = `
SELECT id, route, inbox FROM request
 WHERE ` + isReady + ` AND ` + callIsFind + ` AND team = ? AND effective_priority = ? AND (route, inbox) >= (?, ? + 1)
 ORDER BY route, inbox, seq LIMIT 1`
)

// nextOf is the oldest head of the destination after the one served last.
func (c *claim) nextOf(g stream, probes bool) (h head, ok bool, err error) {
	if _, empty := c.empty[g]; empty {
		return h, false, nil
	}
	if last, served := c.served[g]; served {
		h, ok, err = c.after(last, g, probes, new(time.Time))
	}
	if ok || err != nil {
		return h, ok, err
	}
	var probe time.Time
	h, ok, err = c.after(spool.Destination{Team: g.team}, g, probes, &probe)
	if !ok && err == nil {
		c.empty[g] = probe
	}
	return h, ok, err
}

// after is the oldest head of the first destination after another that is not
// held, or is to be probed. A search sends nothing: it waits for no probe. probe
// becomes the time of the first probe that it jumps over.
func (c *claim) after(last spool.Destination, g stream, probes bool, probe *time.Time) (h head, ok bool, err error) {
	query := sqlReady
	if g.search {
		query = sqlSearch
	}
	for h.of, h.at = g, last; ; {
		ok, err = c.get(query, []any{g.team, g.class, h.at.Route, h.at.Inbox}, &h.id, &h.at.Route, &h.at.Inbox)
		if !ok || err != nil {
			return h, ok, err
		}
		next, held := c.gateOf.isHeld(h.at)
		switch {
		case !held || g.search && next != 0:
			return h, true, nil
		case !probes || next == 0:
		case c.reached(moment(next)):
			h.probe = true
			h.id, err = c.unrefused(h)
			return h, err == nil, err
		case probe.IsZero() || moment(next).Before(*probe):
			*probe = moment(next)
		}
	}
}

// reached reports whether a time has come. One too far ahead was set before the
// clock jumped back.
func (c *claim) reached(t time.Time) bool {
	return !t.After(c.now) || c.maxWait > 0 && t.After(c.now.Add(c.maxWait))
}

// sqlUnrefused examines only the first ready requests of a destination: few of a held
// route were refused.
const sqlUnrefused = `
SELECT id FROM (
SELECT id, refused_at, seq FROM request
 WHERE ` + isReady + ` AND ` + callNotFind + ` AND team = ? AND effective_priority = ? AND route = ? AND inbox = ?
 ORDER BY seq LIMIT 500)
 WHERE refused_at = 0 ORDER BY seq LIMIT 1`

// unrefused is the head that a probe of a held route takes: the oldest that was not
// refused yet, of any class; where all were, the one that was to be next.
func (c *claim) unrefused(h head) (id int64, err error) {
	for class := spool.High; class <= spool.Bulk; class++ {
		ok, err := c.get(sqlUnrefused, []any{h.at.Team, class, h.at.Route, h.at.Inbox}, &id)
		if ok || err != nil {
			return id, err
		}
	}
	return h.id, nil
}

const (
	sqlClaim = `
UPDATE request SET state = ` + active + `, due = ?, attempts = ?, began = ?, reply_to = ? WHERE id = ?`
	sqlToSearch = `UPDATE request SET call = 2 WHERE id = ?`
)

// begin claims a head and writes down when the attempt began. Whether it opens or replies
// is fixed with the first one. The route of a probe gives the next after a while.
// What the API may have forgotten becomes a search instead, and is not begun.
func (c *claim) begin(h head, room spool.Capacity) (t *spool.Task, begun bool, err error) {
	t, err = c.loadSafely(h.id)
	if err != nil {
		return t, false, err
	}
	if t.Call == spool.Send && c.forgotten(t.Sends, room.Memory) {
		_, err := c.exec(sqlToSearch, h.id)
		delete(c.empty, stream{h.of.team, h.of.class, true})
		return t, false, err
	}
	t.Probe = h.probe
	if h.probe {
		route := spool.Destination{Team: h.at.Team, Route: h.at.Route}
		c.gateOf.routes[route] = stamp(c.now.Add(room.Probe))
		if _, err := c.exec(sqlProbed, c.gateOf.routes[route], route.Team, route.Route); err != nil {
			return t, false, err
		}
	}
	_, held := c.gateOf.isHeld(h.at)
	if t.TrialSince.IsZero() || held { // the time on hold does not count
		t.TrialSince = moment(stamp(c.now))
	}
	ends := stamp(c.now.Add(c.lease))
	_, err = c.exec(sqlClaim, ends, t.Attempt, stamp(c.now), t.ConvoID, h.id)
	if err != nil {
		return t, false, err
	}
	c.leases.begin(h.id, ends)
	c.moved(t.Route, spool.Ready, spool.Active)
	c.served[h.of] = h.at
	c.tasks = append(c.tasks, t)
	return t, true, nil
}

// forgotten reports whether the API may have forgotten the local_id of earlier
// sends, so that another could make a second message. Times that are still to come
// were written by another clock: a search would cover the wrong time.
func (c *claim) forgotten(sends []time.Time, memory time.Duration) bool {
	if memory <= 0 || len(sends) == 0 {
		return false
	}
	if sends[0].After(c.now) || sends[len(sends)-1].After(c.now) {
		return false
	}
	return c.now.Sub(sends[0]) > memory
}

// past is a stored time, or 0 where it is still to come: another clock wrote it.
func (c *claim) past(at int64) int64 {
	if at > stamp(c.now) {
		return 0
	}
	return at
}
