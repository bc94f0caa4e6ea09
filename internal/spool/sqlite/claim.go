package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// Claim implements spool.Store.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, rooms ...spool.Capacity) ([]spool.Task, time.Time, error) {
	c, err := run(ctx, s, 0, func(w *writer) (*claim, error) {
		c := &claim{writer: w, now: now, lease: lease, maxSleep: s.maxSleep}
		return c, c.claim(rooms)
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return c.tasks, c.next, nil
}

// claim is one turn of Claim.
type claim struct {
	*writer
	now      time.Time
	lease    time.Duration
	maxSleep time.Duration
	held     map[spool.Destination]int64 // of the present team, see heldRoutes
	tasks    []spool.Task
	next     time.Time // when there may be more
}

// gateClass is what takes turns among its routes.
type gateClass struct {
	team  string
	class spool.Priority
}

const sqlNextDue = `SELECT due FROM request WHERE ` + isTimed + ` ORDER BY due LIMIT 1`

func (c *claim) claim(rooms []spool.Capacity) error {
	if err := c.wake(); err != nil {
		return err
	}
	for _, room := range rooms {
		if err := c.room(room); err != nil {
			return fmt.Errorf("claim for team %s: %w", room.Team, err)
		}
	}
	var due int64
	ok, err := c.get(sqlNextDue, nil, &due)
	if ok {
		c.wait(moment(due))
	}
	return err
}

// wait has the caller come again at t, if not before.
func (c *claim) wait(t time.Time) {
	if c.next.IsZero() || t.Before(c.next) {
		c.next = t
	}
}

const (
	sqlDue = `SELECT id, route, state FROM request WHERE ` + isTimed + ` AND due <= ? ORDER BY due LIMIT 500`

	// A lease is never too long, and too long a sleep is seldom.
	sqlOverslept = `SELECT id, route, state FROM request WHERE ` + isTimed + ` AND due > ? AND ` + isDeferred + ` LIMIT 500`

	sqlWake = `UPDATE request SET state = ` + ready + `, due = 0, unknown = unknown OR ` + isActive + ` AND ` + callIsSend + `, seq = ? WHERE id = ?`
)

// wake makes ready what slept and is due, and what was claimed and is lost: a
// send may have been carried out.
func (c *claim) wake() error {
	if _, err := c.wakeAll(sqlDue, stamp(c.now)); err != nil || c.maxSleep <= 0 {
		return err
	}
	_, err := c.wakeAll(sqlOverslept, stamp(c.now.Add(c.maxSleep)))
	return err
}

// due is a request that is to be ready again.
type due struct {
	id    int64
	route string
	state spool.State
}

// wakeAll makes ready what a query finds, in its order, and returns it.
func (w *writer) wakeAll(query string, args ...any) ([]due, error) {
	var all []due
	err := w.each(query, args, func(rows *sql.Rows) error {
		var r due
		err := rows.Scan(&r.id, &r.route, &r.state)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		seq, err := w.nextSeq()
		if err != nil {
			return nil, err
		}
		if _, err := w.exec(sqlWake, seq, r.id); err != nil {
			return nil, err
		}
		w.moved(r.route, r.state, spool.Ready)
	}
	return all, nil
}

// room begins what one team may begin.
func (c *claim) room(room spool.Capacity) error {
	var stored, tick, held int64
	_, err := c.get(sqlGate, []any{room.Team}, &stored, &tick, &held)
	if held != 0 || err != nil {
		return err
	}
	if c.held, err = c.heldRoutes(room.Team); err != nil {
		return err
	}
	next := moment(stored)
	for room.Rate > 0 && room.Free+room.High > 0 {
		h, ok, err := c.pick(room, tick)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if next, ok = spool.Spend(room.Rate, c.now, next); !ok {
			c.wait(spool.Opens(next))
			break
		}
		if err := c.begin(h, room.Probe); err != nil {
			return err
		}
		if room.Free > 0 {
			room.Free--
			tick++ // a call that only High could have had takes no other class's turn
		} else {
			room.High--
		}
	}
	if stamp(next) == stored {
		return nil
	}
	_, err = c.exec(sqlSaveGate, room.Team, stamp(next), tick)
	return err
}

// head is a request that may be claimed, and whose turn it then was.
type head struct {
	id    int64
	of    gateClass
	at    spool.Destination
	probe bool // of a held route
}

// pick chooses the next head of a team: the class by slot, then the routes in
// turn, then the oldest turn.
func (c *claim) pick(room spool.Capacity, tick int64) (h head, ok bool, err error) {
	order := spool.ClassOrder(tick)
	classes := order[:]
	if room.Free <= 0 {
		classes = []spool.Priority{spool.High}
	}
	var later time.Time // the first probe of a route that was jumped over
	for _, class := range classes {
		if h, ok, err = c.turnOf(gateClass{room.Team, class}, room.Probe > 0, &later); ok || err != nil {
			return h, ok, err
		}
	}
	if !later.IsZero() {
		c.wait(later)
	}
	return head{}, false, nil
}

// sqlReady jumps from one place to the next, over all that waits between. SQLite
// begins a comparison of rows at their equals even where they are excluded, and
// would step through all that waits in the place: so it begins at the next inbox.
const sqlReady = `
SELECT id, route, inbox FROM request
 WHERE ` + isReady + ` AND team = ? AND effective_priority = ? AND (route, inbox) >= (?, ? + 1) ORDER BY route, inbox, seq LIMIT 1`

// turnOf is the oldest head of the place after the one served last.
func (c *claim) turnOf(g gateClass, probe bool, later *time.Time) (h head, ok bool, err error) {
	if last, served := c.served[g]; served {
		h, ok, err = c.after(last, g, probe, later)
	}
	if !ok && err == nil {
		h, ok, err = c.after(spool.Destination{Team: g.team}, g, probe, later)
	}
	return h, ok, err
}

// after is the oldest head of the first place after another that is not held, or
// is to be probed. later becomes the time of the first probe that it jumps over.
func (c *claim) after(last spool.Destination, g gateClass, probe bool, later *time.Time) (h head, ok bool, err error) {
	for h.of, h.at = g, last; ; {
		ok, err = c.get(sqlReady, []any{g.team, g.class, h.at.Route, h.at.Inbox}, &h.id, &h.at.Route, &h.at.Inbox)
		if !ok || err != nil {
			return h, ok, err
		}
		next, held := c.shut(h.at)
		if !held {
			return h, true, nil
		}
		if !probe || next == 0 {
			continue
		}
		if c.come(moment(next)) {
			h.probe = true
			return h, true, nil
		}
		if later.IsZero() || moment(next).Before(*later) {
			*later = moment(next)
		}
	}
}

// shut reports whether a place is held, and when its route gives a probe.
func (c *claim) shut(at spool.Destination) (probe int64, held bool) {
	if _, held = c.held[at]; held {
		return 0, true
	}
	at.Inbox = 0
	probe, held = c.held[at]
	return probe, held
}

// come reports whether a time has come. One too far ahead was set before the
// clock jumped back.
func (c *claim) come(t time.Time) bool {
	return !t.After(c.now) || c.maxSleep > 0 && t.After(c.now.Add(c.maxSleep))
}

const (
	sqlTask = `
SELECT r.attempts + 1, r.local_id, r.recipients, r.route, r.team, r.subject_line, r.unknown,
       COALESCE(r.reply_to, NULLIF(r.requested_convo_id, 0), c.convo_id), r.call, r.conversation_alive, r.lane < 0,
       r.requested_convo_id <> 0 AND EXISTS (SELECT 1 FROM conversation
                                  WHERE team = r.team AND convo_id = r.requested_convo_id AND convo_id <> 0 AND participants <> r.participants),
       COALESCE((SELECT reason FROM attempt WHERE request = r.id AND n = r.refused_attempt), ''),
       COALESCE((SELECT status FROM attempt WHERE request = r.id AND n = r.refused_attempt), 0),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n = r.trial_attempt), 0),
       COALESCE((SELECT max(released) FROM gate WHERE team = r.team AND route IN ('', r.route) AND inbox IN (0, r.inbox)), 0),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n >= r.local_id_since AND ` + callIsSend + ` ORDER BY n LIMIT 1), 0),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n >= r.local_id_since AND ` + callIsSend + ` ORDER BY n DESC LIMIT 1), 0),
       r.dsn, r.delayed,
       m.queue_id, m.sender, r.inbox, m.title, m.accepted, x.html, x.subject_offset, x.text
  FROM request r
  JOIN message m ON m.id = r.message
  JOIN conversation c ON c.id = r.conversation
  JOIN content x ON x.message = r.message
 WHERE r.id = ?`

	sqlClaim   = `UPDATE request SET state = ` + active + `, due = ?, attempts = ?, reply_to = ? WHERE id = ?`
	sqlAttempt = `INSERT INTO attempt (request, n, began, call) VALUES (?, ?, ?, ?)`
)

// begin claims a head and writes down the attempt. Whether it opens or replies
// is fixed with the first one. The route of a probe gives the next after every.
func (c *claim) begin(h head, every time.Duration) error {
	t, err := c.load(h.id)
	if err != nil {
		return err
	}
	if t.Probe = h.probe; h.probe {
		route := spool.Destination{Team: h.at.Team, Route: h.at.Route}
		c.held[route] = stamp(c.now.Add(every))
		if _, err := c.exec(sqlProbed, c.held[route], route.Team, route.Route); err != nil {
			return err
		}
	}
	if t.TrialSince.IsZero() || t.Probe {
		t.TrialSince = moment(stamp(c.now))
	}
	if _, err := c.exec(sqlClaim, stamp(c.now.Add(c.lease)), t.Attempt, t.ConvoID, h.id); err != nil {
		return err
	}
	if _, err := c.exec(sqlAttempt, h.id, t.Attempt, stamp(c.now), t.Call); err != nil {
		return err
	}
	c.moved(t.Route, spool.Ready, spool.Active)
	c.served[h.of] = h.at
	c.tasks = append(c.tasks, t)
	return nil
}

// past is a stored time, or 0 where it is still to come: another clock wrote it.
func (c *claim) past(at int64) int64 {
	if at > stamp(c.now) {
		return 0
	}
	return at
}

// load reads all that a call needs.
func (c *claim) load(id int64) (spool.Task, error) {
	t := spool.Task{Request: id}
	var addresses, asked string
	var line bool
	var tried, lifted, first, last, accepted int64
	ok, err := c.get(sqlTask, []any{id},
		&t.Attempt, &t.LocalID, &addresses, &t.Route, &t.Team, &line, &t.Unknown,
		&t.ConvoID, &t.Call, &t.ConversationAlive, &t.Detached, &t.ConvoConflict,
		&t.Refused, &t.RefusedStatus, &tried, &lifted, &first, &last,
		&asked, &t.Delayed,
		&t.QueueID, &t.Sender, &t.Inbox, &t.Title, &accepted, &t.HTML, &t.SubjectOffset, &t.Text)
	if err != nil {
		return t, err
	}
	if !ok {
		return t, fmt.Errorf("%w: request %d has no message, conversation or content", spool.ErrCorrupt, id)
	}
	if t.Accepted = moment(accepted); tried != 0 {
		t.TrialSince = moment(max(c.past(tried), c.past(lifted)))
	}
	t.FirstSend, t.LastSend = moment(first), moment(last)
	if line {
		t.Subject = t.Title
	}
	r, err := decodeRecipients(addresses)
	if err != nil {
		return t, err
	}
	t.To, t.Cc = r.To, r.Cc
	t.DSN, err = askedOf(asked)
	return t, err
}
