package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// Retry implements spool.Operator.
func (o *Operator) Retry(
	ctx context.Context, now time.Time, f spool.Filter, how spool.RetryOptions,
) (spool.Moved, error) {
	switch {
	case how.Anew && how.NewLocalID == nil:
		return spool.Moved{}, errors.New("retry anew: NewLocalID is not set")
	case how.Route != "" && (how.Team == "" || how.Inbox == 0):
		return spool.Moved{}, fmt.Errorf("retry on route %s: its team and inbox are not set", how.Route)
	}
	return o.all(ctx, f, func(w *writer, r *chosen) (bool, error) { return w.retry(now, r, &how) })
}

const (
	sqlRename = `
UPDATE request SET local_id = ?, sends_since = attempts + 1, unknown = 0, reply_to = NULL WHERE id = ?`

	sqlReroute = `UPDATE request SET route = ? WHERE id = ?`

	sqlMovedTo = `
SELECT c.id FROM conversation f JOIN conversation c ON c.moved_from = f.id
 WHERE f.id = ? AND c.team = ? AND c.inbox = ? AND c.participants = f.participants LIMIT 1`

	sqlNewScope = `
INSERT INTO conversation (team, inbox, participants, title, base_subject, last_used, moved_from)
SELECT ?, ?, participants, title, base_subject, ?, id FROM conversation WHERE id = ?`

	sqlRescope = `
UPDATE request
   SET team = ?, inbox = ?, conversation = ?, lane = ?, reply_to = NULL, requested_convo_id = 0
 WHERE id = ?`

	sqlOpensIt = `UPDATE request SET joined = 0, lookup_name = '', subject_line = 0 WHERE id = ?`
)

// retry queues a request again, makes it due, or moves it.
func (w *writer) retry(now time.Time, r *chosen, how *spool.RetryOptions) (bool, error) {
	if !r.whole {
		return false, nil // there is nothing left that could be sent
	}
	to := how.Team
	if _, ok := spool.SmarthostRoute(r.team); ok {
		to = spool.SmarthostTeam(how.Route)
	}
	move := how.Route != "" && (how.Route != r.route || to != r.team || how.Inbox != r.inbox)
	switch r.state {
	case spool.Failed, spool.Dropped, spool.Held:
	case spool.Flagged:
		if !how.Anew {
			return false, nil
		}
	case spool.Deferred:
		if !move && !how.Anew {
			return true, w.makeOneReady(r)
		}
	case spool.Queued, spool.Ready:
		if !move && r.hold == "" {
			return false, nil
		}
	default:
		return false, nil
	}
	if r.state.Open() {
		if err := w.drop(now, r); err != nil {
			return false, err
		}
	}
	if move {
		if err := w.move(now, r, how, to); err != nil {
			return false, err
		}
	}
	if how.Anew {
		if err := w.rename(sqlRename, how.NewLocalID(), r.id); err != nil {
			return false, err
		}
	}
	return true, w.requeue(r)
}

// makeOneReady makes a deferred request ready.
func (w *writer) makeOneReady(r *chosen) error {
	seq, err := w.nextSeq(r.team)
	if err != nil {
		return err
	}
	w.ready(r.team)
	w.moved(r.route, r.state, spool.Ready)
	_, err = w.exec(sqlMakeReady, seq, r.id)
	return err
}

// move gives a request that is in no lane another route, and its own team to. In another scope the
// requests of a conversation have one of their own, which the first of them opens, also where they are moved
// one after the other.
func (w *writer) move(now time.Time, r *chosen, how *spool.RetryOptions, to string) error {
	if _, err := w.exec(sqlReroute, how.Route, r.id); err != nil {
		return err
	}
	w.moves = append(w.moves, move{r.route, r.state, -1}, move{how.Route, r.state, 1})
	r.route = how.Route
	if r.team == to && r.inbox == how.Inbox {
		return nil
	}
	var c int64
	joins, err := w.get(sqlMovedTo, []any{r.conversation, how.Team, how.Inbox}, &c)
	if err != nil {
		return err
	}
	if !joins {
		c, _, err = w.insert(sqlNewScope, how.Team, how.Inbox, stamp(now), r.conversation)
		if err != nil {
			return err
		}
		if _, err := w.exec(sqlOpensIt, r.id); err != nil {
			return err
		}
	}
	r.conversation, r.team = c, to
	_, err = w.exec(sqlRescope, to, how.Inbox, c, c, r.id)
	return err
}
