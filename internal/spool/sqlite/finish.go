package sqlite

import (
	"context"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// Finish implements spool.Store.
func (s *Store) Finish(ctx context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error) {
	return run(ctx, s, 0, func(w *writer) ([]spool.Finished, error) {
		all := make([]spool.Finished, len(outcomes))
		for i := range outcomes {
			f, err := w.finish(now, &outcomes[i])
			if err != nil {
				return nil, err
			}
			all[i] = f
		}
		return all, nil
	})
}

const (
	// The fence: only the attempt that holds the claim can end it.
	sqlFinish = `
UPDATE request SET state = ?, due = ?, unknown = unknown OR ?, convo_id = ?, message_id = ?
 WHERE id = ? AND attempts = ? AND state = 3
RETURNING lane, route, conversation, reply_to`

	sqlEnd = `UPDATE attempt SET ended = ?, status = ?, api_id = ?, reason = ? WHERE request = ? AND n = ?`
)

func (w *writer) finish(now time.Time, o *spool.Outcome) (f spool.Finished, err error) {
	var due int64
	switch o.State {
	case spool.Sent, spool.Flagged, spool.Failed:
	case spool.Asleep:
		due = max(stamp(o.Due), 1)
	default:
		return f, fmt.Errorf("an attempt of request %d cannot end as %s", o.Task.Request, o.State)
	}
	var lane, conversation, replyTo int64
	var route string
	ok, err := w.get(sqlFinish,
		[]any{o.State, due, o.Unknown, o.ConvoID, o.MessageID, o.Task.Request, o.Task.Attempt},
		&lane, &route, &conversation, &replyTo)
	if err != nil {
		return f, err
	}
	if !ok {
		f.Err = spool.ErrLost
		return f, nil
	}
	w.moved(route, spool.Claimed, o.State)
	if _, err := w.exec(sqlEnd, stamp(now), o.Status, o.APIID, o.Reason, o.Task.Request, o.Task.Attempt); err != nil {
		return f, err
	}
	if o.State == spool.Asleep {
		return f, nil // the lane waits with it
	}
	if o.State != spool.Failed {
		if f, err = w.learn(conversation, replyTo, o.ConvoID); err != nil {
			return f, err
		}
	}
	return f, w.advance(lane)
}

const (
	sqlConvo     = `SELECT team, members, convo_id FROM conversation WHERE id = ?`
	sqlHeldBy    = `SELECT 1 FROM conversation WHERE team = ? AND convo_id = ? AND convo_id <> 0 AND members <> ? LIMIT 1`
	sqlSaveConvo = `UPDATE conversation SET convo_id = ? WHERE id = ?`
)

// learn takes over the convo_id of an answer. One that stands for other people
// is never stored: a reply to it would reach them.
func (w *writer) learn(conversation, replyTo, answered int64) (f spool.Finished, err error) {
	if answered == 0 {
		return f, nil // the next in the lane opens anew
	}
	var team, members string
	var known int64
	if _, err := w.get(sqlConvo, []any{conversation}, &team, &members, &known); err != nil || known == answered {
		return f, err
	}
	var one int
	if f.Foreign, err = w.get(sqlHeldBy, []any{team, answered, members}, &one); f.Foreign || err != nil {
		return f, err
	}
	if opened := replyTo == 0; opened && known != 0 {
		return f, nil // another opener came first
	}
	f.Replaced = known
	_, err = w.exec(sqlSaveConvo, answered, conversation)
	return f, err
}

const (
	sqlNextInLane = `SELECT id, route FROM request WHERE lane = ? AND state = 0 ORDER BY turn LIMIT 1`

	sqlAdvance = `
UPDATE request
   SET state = 1, turn = ?,
       class = (SELECT class FROM request WHERE lane = ? AND state = 0 ORDER BY class LIMIT 1)
 WHERE id = ?`
)

// advance makes the next in a lane its head, as urgent as the most urgent that
// waits there, itself included.
func (w *writer) advance(lane int64) error {
	var id int64
	var route string
	ok, err := w.get(sqlNextInLane, []any{lane}, &id, &route)
	if err != nil || !ok {
		return err
	}
	turn, err := w.nextTurn()
	if err != nil {
		return err
	}
	_, err = w.exec(sqlAdvance, turn, lane, id)
	w.moved(route, spool.Queued, spool.Ready)
	return err
}

// Release implements spool.Store.
func (s *Store) Release(ctx context.Context, tasks ...spool.Task) error {
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) {
		for i := range tasks {
			if err := w.giveBack(&tasks[i]); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

const (
	// The turn is still that of before the claim, and so is the place. What the
	// first attempt of a trial decided, it decides again.
	sqlRelease = `
UPDATE request
   SET state = 1, due = 0, attempts = attempts - 1,
       reply_to = CASE WHEN attempts = trial AND NOT unknown THEN NULL ELSE reply_to END
 WHERE state = 3 AND id = ? AND attempts = ?
RETURNING route`

	sqlUnwrite = `DELETE FROM attempt WHERE request = ? AND n = ?`
)

// giveBack undoes a claim. One that was lost is somebody else's by now.
func (w *writer) giveBack(t *spool.Task) error {
	var route string
	ok, err := w.get(sqlRelease, []any{t.Request, t.Attempt}, &route)
	if err != nil || !ok {
		return err
	}
	w.moved(route, spool.Claimed, spool.Ready)
	_, err = w.exec(sqlUnwrite, t.Request, t.Attempt)
	return err
}
