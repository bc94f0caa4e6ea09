package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// Claim implements spool.Store.
func (s *Store) Claim(ctx context.Context, now time.Time, lease time.Duration, rooms ...spool.Room) ([]spool.Task, time.Time, error) {
	c, err := run(ctx, s, 0, func(w *writer) (*claim, error) {
		c := &claim{writer: w, now: now, lease: lease}
		return c, c.claim(rooms, s.maxSleep)
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return c.tasks, c.next, nil
}

// claim is one turn of Claim.
type claim struct {
	*writer
	now   time.Time
	lease time.Duration
	tasks []spool.Task
	next  time.Time // when there may be more
}

// gateClass is what takes turns among its routes.
type gateClass struct {
	team  string
	class spool.Priority
}

const sqlNextDue = `SELECT due FROM request WHERE state IN (2, 3) ORDER BY due LIMIT 1`

func (c *claim) claim(rooms []spool.Room, maxSleep time.Duration) error {
	if err := c.wake(maxSleep); err != nil {
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
	sqlDue = `SELECT id, route, state FROM request WHERE state IN (2, 3) AND due <= ? ORDER BY due LIMIT 500`

	// A lease is never too long, and too long a sleep is seldom.
	sqlOverslept = `SELECT id, route, state FROM request WHERE state IN (2, 3) AND due > ? AND state = 2 LIMIT 500`

	sqlWake = `UPDATE request SET state = 1, due = 0, unknown = unknown OR state = 3 AND call = 0, turn = ? WHERE id = ?`
)

// wake makes ready what slept and is due, and what was claimed and is lost: a
// send may have been carried out.
func (c *claim) wake(maxSleep time.Duration) error {
	if err := c.wakeAll(sqlDue, c.now); err != nil || maxSleep <= 0 {
		return err
	}
	return c.wakeAll(sqlOverslept, c.now.Add(maxSleep))
}

func (c *claim) wakeAll(query string, at time.Time) error {
	type request struct {
		id    int64
		route string
		state spool.State
	}
	var due []request
	err := c.each(query, []any{stamp(at)}, func(rows *sql.Rows) error {
		var r request
		err := rows.Scan(&r.id, &r.route, &r.state)
		due = append(due, r)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range due {
		turn, err := c.nextTurn()
		if err != nil {
			return err
		}
		if _, err := c.exec(sqlWake, turn, r.id); err != nil {
			return err
		}
		c.moved(r.route, r.state, spool.Ready)
	}
	return nil
}

// room begins what one team may begin.
func (c *claim) room(room spool.Room) error {
	var stored, slot int64
	if _, err := c.get(sqlGate, []any{room.Team}, &stored, &slot); err != nil {
		return err
	}
	next := moment(stored)
	for room.Rate > 0 && room.Free+room.High > 0 {
		h, ok, err := c.pick(room, slot)
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
		if err := c.begin(h); err != nil {
			return err
		}
		if room.Free > 0 {
			room.Free--
			slot++ // a call that only High could have had takes no other class's turn
		} else {
			room.High--
		}
	}
	if stamp(next) == stored {
		return nil
	}
	_, err := c.exec(sqlSaveGate, room.Team, stamp(next), slot)
	return err
}

// head is a request that may be claimed, and whose turn it then was.
type head struct {
	id    int64
	of    gateClass
	route string
}

// pick chooses the next head of a team: the class by slot, then the routes in
// turn, then the oldest turn.
func (c *claim) pick(room spool.Room, slot int64) (h head, ok bool, err error) {
	order := spool.ClassOrder(slot)
	classes := order[:]
	if room.Free <= 0 {
		classes = []spool.Priority{spool.High}
	}
	for _, class := range classes {
		if h, ok, err = c.turnOf(gateClass{room.Team, class}); ok || err != nil {
			return h, ok, err
		}
	}
	return head{}, false, nil
}

// sqlReady jumps from one route to the next, over all that waits between.
const sqlReady = `
SELECT id, route FROM request
 WHERE state = 1 AND team = ? AND class = ? AND route >= ? ORDER BY route, turn LIMIT 1`

// turnOf is the oldest head of the route after the one served last.
func (c *claim) turnOf(g gateClass) (h head, ok bool, err error) {
	h.of = g
	last, served := c.served[g]
	if served {
		ok, err = c.get(sqlReady, []any{g.team, g.class, last + "\x00"}, &h.id, &h.route) // the least name above it
	}
	if !ok && err == nil {
		ok, err = c.get(sqlReady, []any{g.team, g.class, ""}, &h.id, &h.route)
	}
	return h, ok, err
}

const (
	sqlTask = `
SELECT r.attempts + 1, r.local_id, r.targets, r.route, r.team, r.subject_line, r.unknown,
       COALESCE(r.reply_to, c.convo_id), r.call, r.alive, r.lane < 0,
       COALESCE((SELECT reason FROM attempt WHERE request = r.id AND n = r.refusal), ''),
       COALESCE((SELECT status FROM attempt WHERE request = r.id AND n = r.refusal), 0),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n = r.trial), 0),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n >= r.named AND call = 0 ORDER BY n LIMIT 1), 0),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n >= r.named AND call = 0 ORDER BY n DESC LIMIT 1), 0),
       m.queue_id, m.sender, m.inbox, m.title, m.accepted, x.html, x.start, x.text
  FROM request r
  JOIN message m ON m.id = r.message
  JOIN conversation c ON c.id = r.conversation
  JOIN content x ON x.message = r.message
 WHERE r.id = ?`

	sqlClaim   = `UPDATE request SET state = 3, due = ?, attempts = ?, reply_to = ? WHERE id = ?`
	sqlAttempt = `INSERT INTO attempt (request, n, began, call) VALUES (?, ?, ?, ?)`
)

// begin claims a head and writes down the attempt. Whether it opens or replies
// is fixed with the first one.
func (c *claim) begin(h head) error {
	t, err := c.load(h.id)
	if err != nil {
		return err
	}
	if t.Tried.IsZero() {
		t.Tried = moment(stamp(c.now))
	}
	if _, err := c.exec(sqlClaim, stamp(c.now.Add(c.lease)), t.Attempt, t.ConvoID, h.id); err != nil {
		return err
	}
	if _, err := c.exec(sqlAttempt, h.id, t.Attempt, stamp(c.now), t.Call); err != nil {
		return err
	}
	c.moved(t.Route, spool.Ready, spool.Claimed)
	c.served[h.of] = h.route
	c.tasks = append(c.tasks, t)
	return nil
}

// load reads all that a call needs.
func (c *claim) load(id int64) (spool.Task, error) {
	t := spool.Task{Request: id}
	var recipients string
	var line bool
	var tried, first, last, accepted int64
	ok, err := c.get(sqlTask, []any{id},
		&t.Attempt, &t.LocalID, &recipients, &t.Route, &t.Team, &line, &t.Unknown,
		&t.ConvoID, &t.Call, &t.Alive, &t.Aside,
		&t.Refused, &t.RefusedStatus, &tried, &first, &last,
		&t.QueueID, &t.Sender, &t.Inbox, &t.Title, &accepted, &t.HTML, &t.Start, &t.Text)
	if err != nil {
		return t, err
	}
	if !ok {
		return t, fmt.Errorf("%w: request %d has no message, conversation or content", spool.ErrCorrupt, id)
	}
	t.Tried, t.Accepted = moment(tried), moment(accepted)
	t.FirstSend, t.LastSend = moment(first), moment(last)
	if line {
		t.Subject = t.Title
	}
	t.To, t.Cc, err = recipientsOf(recipients)
	return t, err
}

// recipientsOf reads what targets wrote.
func recipientsOf(s string) (to, cc []string, err error) {
	var list []string
	if err := json.Unmarshal([]byte(s), &list); err != nil {
		return nil, nil, fmt.Errorf("%w: targets %q: %w", spool.ErrCorrupt, s, err)
	}
	for _, target := range list {
		if a, ok := strings.CutPrefix(target, "to:"); ok {
			to = append(to, a)
		} else {
			cc = append(cc, strings.TrimPrefix(target, "cc:"))
		}
	}
	return to, cc, nil
}
