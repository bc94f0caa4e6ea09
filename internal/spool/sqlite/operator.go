package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/spool"
)

// Operator changes the spool also while another process serves it: SQLite lets
// one of them write at a time, and each waits for the other. It implements
// spool.Operator.
type Operator struct {
	*Reader

	// Progress, unless nil, is called after each step of a verb: so many of the requests that it found are done. It
	// must not be changed once a verb has begun.
	Progress func(done, found int)

	db   *sql.DB
	conn *sql.Conn

	mu     sync.Mutex // guards writer
	writer *writer
}

var _ spool.Operator = (*Operator)(nil)

// step is how many requests one transaction examines; others run in between.
const step = 500

// OpenOperator opens the spool at path. It takes no lock and creates no spool:
// where there is none, the error is fs.ErrNotExist.
func OpenOperator(path string) (*Operator, error) {
	path, err := filepath.Abs(path) // a URI's path begins at the root
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	r, err := OpenReader(path)
	if err != nil {
		return nil, err
	}
	o := &Operator{Reader: r}
	if err := o.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", path, err), o.Close())
	}
	return o, nil
}

func (o *Operator) open(path string) (err error) {
	o.db, o.conn, err = connect(context.Background(), path, nil, "synchronous = FULL", "foreign_keys = ON")
	if err != nil {
		return err
	}
	o.writer = newWriter(o.conn)
	return nil
}

// Close lets the spool go.
func (o *Operator) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.Reader.Close()
	if o.writer != nil {
		o.writer.close()
	}
	if o.conn != nil {
		err = errors.Join(err, o.conn.Close())
	}
	if o.db != nil {
		err = errors.Join(err, o.db.Close())
	}
	return err
}

// chosen is a request that a filter matched.
type chosen struct {
	id, lane, conversation int64
	team, route            string
	inbox                  int64
	state                  spool.State
	priority               spool.Priority
	unknown                bool
	hold                   string // reason of its own hold, "" for none
	recipients             recipients
	message                int64
	accepted, convoID      int64
	title, localID         string
	messageIDs             string
	whole                  bool // it still has its content, and may be sent
}

const sqlChosen = `
SELECT r.id, r.lane, r.conversation, r.team, r.route, r.inbox, r.state, r.priority, r.unknown, r.hold,
       r.recipients, r.message, m.accepted, m.title, m.message_id, r.local_id,
       COALESCE(NULLIF(r.convo_id, 0), c.convo_id),
       NOT r.forgotten AND EXISTS (SELECT 1 FROM content WHERE content.message = r.message)
  FROM json_each(?) j CROSS JOIN request r ON r.id = j.value
  JOIN message m ON m.id = r.message JOIN conversation c ON c.id = r.conversation`

// all applies a verb to all requests that match, now and when their step begins: what a step moves on
// may then match, too, and is left alone. do reports whether it changed anything.
func (o *Operator) all(
	ctx context.Context, f spool.Filter, do func(*writer, *chosen) (bool, error),
) (total spool.Moved, err error) {
	ids, err := o.matchingNumbers(ctx, f)
	if err != nil {
		return total, err
	}
	done := 0
	for some := range slices.Chunk(ids, step) {
		var m spool.Moved
		err := o.transact(ctx, func(w *writer) error { return w.allOf(f, some, &m, do) })
		if err != nil {
			return total, err
		}
		total.Add(m)
		done += len(some)
		if o.Progress != nil {
			o.Progress(done, len(ids))
		}
	}
	return total, nil
}

// transact does one thing in a transaction of its own.
func (o *Operator) transact(ctx context.Context, do func(*writer) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writer.alone(ctx, do)
}

// operate is transact for what has a result.
func operate[T any](ctx context.Context, o *Operator, do func(*writer) (T, error)) (result T, err error) {
	err = o.transact(ctx, func(w *writer) (err error) {
		result, err = do(w)
		return err
	})
	return result, err
}

func (w *writer) allOf(f spool.Filter, ids []int64, m *spool.Moved, do func(*writer, *chosen) (bool, error)) error {
	holds, err := holdsOf(context.Background(), w.conn) // in the transaction that w has begun
	if err != nil {
		return err
	}
	list, err := w.choose(f, ids, holds)
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.state == spool.Active {
			m.Busy++
			continue
		}
		// An earlier one may have moved this one on: a lane goes on, and what is held steps aside.
		if _, err := w.get(sqlPlaceNow, []any{r.id}, &r.state, &r.lane); err != nil {
			return err
		}
		done, err := do(w, &r)
		if err != nil {
			return err
		}
		if done {
			m.Requests++
		}
		if done && r.unknown {
			m.MaybeSent++
		}
	}
	for _, r := range list {
		if err := w.standing(r.id, holds, m); err != nil {
			return err
		}
	}
	return nil
}

const (
	sqlPlaceNow = `SELECT state, lane FROM request WHERE id = ?`
	sqlStanding = `SELECT state, hold, team, route, inbox FROM request WHERE id = ?`
)

// standing counts where a request stands after a verb.
func (w *writer) standing(id int64, holds []spool.Hold, m *spool.Moved) error {
	var state spool.State
	var own string
	var at spool.Destination
	if _, err := w.get(sqlStanding, []any{id}, &state, &own, &at.Team, &at.Route, &at.Inbox); err != nil {
		return err
	}
	state, h := shown(state, holds, own, at)
	switch {
	case h != nil:
		m.Kept = spool.AddKept(m.Kept, *h, 1)
	case state == spool.Ready:
		m.Due++
	case state == spool.Queued:
		m.Behind++
	case state == spool.Deferred:
		m.Deferred++
	}
	return nil
}

// choose returns those of ids that match, in their order.
func (w *writer) choose(f spool.Filter, ids []int64, holds []spool.Hold) (list []chosen, err error) {
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	err = w.each(sqlChosen, []any{string(text)}, func(row scanner) error {
		var r chosen
		var addresses string
		err := row.Scan(&r.id, &r.lane, &r.conversation, &r.team, &r.route, &r.inbox, &r.state, &r.priority,
			&r.unknown, &r.hold, &addresses, &r.message, &r.accepted, &r.title, &r.messageIDs, &r.localID,
			&r.convoID, &r.whole)
		if err != nil {
			return err
		}
		r.recipients = readable(addresses)
		if matches(&f, r.candidate(holds)) {
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

func (r *chosen) candidate(holds []spool.Hold) candidate {
	at := spool.Destination{Team: r.team, Route: r.route, Inbox: r.inbox}
	state, _ := shown(r.state, holds, r.hold, at)
	return candidate{state, at, moment(r.accepted), r.title, r.localID, r.messageIDs, r.convoID, r.recipients}
}

// Drop implements spool.Operator.
func (o *Operator) Drop(ctx context.Context, now time.Time, f spool.Filter) (spool.Moved, error) {
	return o.all(ctx, f, func(w *writer, r *chosen) (bool, error) {
		if !r.state.Open() {
			return false, nil
		}
		return true, w.drop(now, r)
	})
}

const (
	sqlDrop = `UPDATE request SET state = ?, due = 0, ended = ?, hold = '' WHERE id = ?`

	// A head is no more urgent than what is still in its lane.
	sqlLowerPriority = `
UPDATE request
   SET effective_priority = min(priority, COALESCE(
           (SELECT effective_priority FROM request WHERE lane = ? AND ` + isQueued + `
             ORDER BY effective_priority LIMIT 1), 2))
 WHERE lane = ? AND ` + isHead
)

// drop ends an open request. Its lane goes on.
func (w *writer) drop(now time.Time, r *chosen) error {
	if _, err := w.exec(sqlDrop, spool.Dropped, stamp(now), r.id); err != nil {
		return err
	}
	w.moved(r.route, r.state, spool.Dropped)
	head := r.state != spool.Queued
	r.state = spool.Dropped
	if head {
		return w.advance(r.lane)
	}
	_, err := w.exec(sqlLowerPriority, r.lane, r.lane)
	return err
}

const (
	sqlHoldRequest = `
UPDATE request
   SET hold = ?, state = CASE WHEN ` + isQueued + ` THEN ` + queued + ` ELSE ` + held + ` END, due = 0
 WHERE id = ?`
	sqlReleaseQueued = `UPDATE request SET hold = '' WHERE id = ?`
	sqlReleaseHead   = `UPDATE request SET state = ` + ready + `, seq = ?, ` + newTrial + ` WHERE id = ?`
)

// Hold implements spool.Operator.
func (o *Operator) Hold(ctx context.Context, _ time.Time, f spool.Filter, reason string) (spool.Moved, error) {
	reason = cmp.Or(reason, spool.OperatorReason)
	return o.all(ctx, f, func(w *writer, r *chosen) (bool, error) {
		if !r.state.Open() {
			return false, nil
		}
		if r.state != spool.Queued {
			w.moved(r.route, r.state, spool.Held)
		}
		_, err := w.exec(sqlHoldRequest, reason, r.id)
		return true, err
	})
}

// Release implements spool.Operator.
func (o *Operator) Release(ctx context.Context, _ time.Time, f spool.Filter) (spool.Moved, error) {
	return o.all(ctx, f, func(w *writer, r *chosen) (bool, error) {
		if r.hold == "" {
			return false, nil
		}
		if r.state == spool.Queued {
			_, err := w.exec(sqlReleaseQueued, r.id)
			return true, err
		}
		seq, err := w.nextSeq(r.team)
		if err != nil {
			return false, err
		}
		w.ready(r.team)
		w.moved(r.route, r.state, spool.Ready)
		_, err = w.exec(sqlReleaseHead, seq, r.id)
		return true, err
	})
}
