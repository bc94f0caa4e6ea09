package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// Finish implements spool.Store.
func (s *Store) Finish(ctx context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error) {
	all, err := run(ctx, s, 0, func(w *writer) ([]spool.Finished, error) { return w.finishAll(now, outcomes) })
	if err != nil {
		s.keepClaims(ctx, now, outcomes)
		return nil, err
	}
	s.waiters.notify(outcomes)
	return all, nil
}

// knownFor is how long a claim holds at least whose outcome could not be recorded.
const knownFor = time.Minute

// keepClaims has claims hold whose outcomes are known and not recorded.
func (s *Store) keepClaims(ctx context.Context, now time.Time, outcomes []spool.Outcome) {
	// It fails only if the store is closed, and then no claim ends.
	_, _ = look(ctx, s, func(w *writer) (struct{}, error) {
		for i := range outcomes {
			w.leases.extend(outcomes[i].Task.Request, stamp(now.Add(knownFor)))
		}
		return struct{}{}, nil
	})
}

func (w *writer) finishAll(now time.Time, outcomes []spool.Outcome) ([]spool.Finished, error) {
	all := make([]spool.Finished, len(outcomes))
	w.ended = w.ended[:0]
	for i := range outcomes {
		f, err := w.finish(now, &outcomes[i])
		if err != nil {
			return nil, err
		}
		all[i] = f
	}
	_, err := w.insertRows(&sqlEnded, 9, w.ended)
	return all, err
}

const (
	// The fence: only the attempt that holds the claim can end it.
	sqlFinish = `
UPDATE request
   SET state = ?, due = ?, ended = ?, call = ?, unknown = unknown AND NOT ? OR ?,
       sends_since = CASE WHEN ? THEN attempts + 1 ELSE sends_since END,
       refused_at = CASE WHEN ? THEN ? ELSE refused_at END,
       conversation_alive = conversation_alive AND NOT ? OR ?,
       refused_attempt = CASE WHEN ? THEN attempts ELSE refused_attempt END,
       convo_id = ?, message_id = ?
 WHERE id = ? AND attempts = ? AND ` + isActive + `
RETURNING lane, route, conversation, began, reply_to, unknown,
          (SELECT convo_id FROM conversation WHERE id = request.conversation),
          EXISTS (SELECT 1 FROM request q WHERE q.lane = request.lane AND q.` + isQueued + `)`
)

// sqlEnded writes down attempts that have ended.
var sqlEnded = rowsOf(
	"INSERT INTO attempt (request, n, call, began, ended, unknown, status, api_id, reason) VALUES",
	"(?, ?, ?, ?, ?, ?, ?, ?, ?)", "",
)

// ended is what Finish needs to know of a request.
type ended struct {
	lane, conversation int64
	route              string
	began, replyTo     int64
	unknown            bool
	convoID            int64 // of its conversation, as known so far
	followed           bool  // something is queued behind it
}

func (w *writer) finish(now time.Time, o *spool.Outcome) (f spool.Finished, err error) {
	if err := validate(o); err != nil {
		return f, fmt.Errorf("end attempt %d of request %d: %w", o.Task.Attempt, o.Task.Request, err)
	}
	r, ok, err := w.endAttempt(now, o)
	if err != nil {
		return f, err
	}
	if !ok {
		f.Err = spool.ErrLost
		return f, nil
	}
	if err := w.addNotices(now, o); err != nil {
		return f, err
	}
	switch o.State {
	case spool.Deferred:
		return f, w.prepareRetry(o, &r)
	case spool.Sent, spool.Flagged:
		f, err = w.adoptConvoID(&r, o.ConvoID)
	}
	if !r.followed || err != nil {
		return f, err
	}
	return f, w.advance(r.lane)
}

// endAttempt records an outcome and the end of its attempt, and returns false where its claim was lost.
func (w *writer) endAttempt(now time.Time, o *spool.Outcome) (r ended, ok bool, err error) {
	due, end := int64(0), stamp(now)
	if o.State == spool.Deferred {
		due, end = max(stamp(o.Due), 1), 0
	}
	ok, err = w.get(
		sqlFinish,
		[]any{
			o.State,
			due,
			end,
			o.NextCall,
			o.ProvenAbsent,
			o.Unknown,
			o.ProvenAbsent,
			o.RouteRefused,
			stamp(now),
			o.Refused,
			o.ConversationAlive,
			o.Refused,
			o.ConvoID,
			o.MessageID,
			o.Task.Request,
			o.Task.Attempt,
		},
		&r.lane,
		&r.route,
		&r.conversation,
		&r.began,
		&r.replyTo,
		&r.unknown,
		&r.convoID,
		&r.followed,
	)
	if !ok || err != nil {
		return r, false, err
	}
	w.leases.end(o.Task.Request)
	w.moved(r.route, spool.Active, o.State)
	w.ended = append(w.ended, o.Task.Request, o.Task.Attempt, o.Task.Call, r.began, stamp(now), o.Unknown, o.Status,
		o.APIID, o.Reason)
	return r, true, nil
}

// reportOf is the report that fits a state.
var reportOf = map[spool.State]spool.Action{
	spool.Deferred: spool.DelayedAction,
	spool.Sent:     spool.RelayedAction,
	spool.Failed:   spool.FailedAction,
}

// validate returns an error if the fields of an outcome contradict each other.
func validate(o *spool.Outcome) error {
	switch {
	case o.State != spool.Deferred && o.State != spool.Sent && o.State != spool.Flagged && o.State != spool.Failed:
		return fmt.Errorf("an attempt cannot end as %s", o.State)
	case o.State != spool.Deferred && (o.NextCall != spool.Send || o.Reopen || o.Detach):
		return fmt.Errorf("nothing comes after %s", o.State)
	case o.Report != "" && o.Report != reportOf[o.State]:
		return fmt.Errorf("%s is not reported as %s", o.State, o.Report)
	case o.Reopen && (o.LocalID == "" || o.NextCall != spool.Send):
		return errors.New("a reopened request needs a new local_id, and is sent")
	}
	return nil
}

const (
	sqlForget = `UPDATE conversation SET convo_id = 0 WHERE id = ? AND convo_id = ?`

	sqlReopen = `
UPDATE request
   SET local_id = ?, sends_since = attempts + 1, reply_to = NULL, requested_convo_id = 0,
       conversation_alive = 0, refused_attempt = 0, refused_at = 0
 WHERE id = ?`
)

// prepareRetry prepares the next attempt of a deferred request. Its lane waits with
// it, or goes on without it.
func (w *writer) prepareRetry(o *spool.Outcome, r *ended) error {
	if o.Reopen {
		if r.unknown {
			return fmt.Errorf("reopen request %d: the outcome of a send is unknown, and a new local_id could double it",
				o.Task.Request)
		}
		if _, err := w.exec(sqlForget, r.conversation, r.replyTo); err != nil {
			return err
		}
		if err := w.rename(sqlReopen, o.LocalID, o.Task.Request); err != nil {
			return err
		}
	}
	if r.lane < 0 {
		return nil
	}
	if !o.Detach {
		return w.clearLane(r.lane)
	}
	if _, err := w.exec(sqlDetach, o.Task.Request); err != nil {
		return err
	}
	return w.advance(r.lane)
}

const (
	sqlConvoOfOthers = `
SELECT 1 FROM conversation c JOIN conversation o ON o.team = c.team
 WHERE c.id = ? AND o.convo_id = ? AND o.convo_id <> 0 AND o.participants <> c.participants LIMIT 1`

	// One that belongs to other participants is never stored: a reply to it would reach them. Nobody joins a
	// conversation that was forgotten while this was under way.
	sqlSaveConvo = `
UPDATE conversation SET convo_id = iif(participants = 'forgotten', 0, ?1)
 WHERE id = ?2
   AND NOT EXISTS (SELECT 1 FROM conversation o
                    WHERE o.team = conversation.team AND o.convo_id = ?1 AND o.convo_id <> 0
                      AND o.participants <> conversation.participants AND conversation.participants <> 'forgotten')`
)

// adoptConvoID stores the convo_id of an answer.
func (w *writer) adoptConvoID(r *ended, answered int64) (f spool.Finished, err error) {
	if answered == 0 || answered == r.convoID {
		return f, nil // where it is 0, the next in the lane opens anew
	}
	if opened := r.replyTo == 0; opened && r.convoID != 0 { // another opener came first
		var one int
		f.ConvoConflict, err = w.get(sqlConvoOfOthers, []any{r.conversation, answered}, &one)
		return f, err
	}
	n, err := w.exec(sqlSaveConvo, answered, r.conversation)
	f.ConvoConflict = n == 0 && err == nil
	if n > 0 {
		f.Replaced = r.convoID
	}
	return f, err
}

const (
	sqlNextInLane = `
SELECT id, team, route, hold <> '' FROM request WHERE lane = ? AND ` + isQueued + ` ORDER BY seq LIMIT 1`

	sqlAdvance = `
UPDATE request
   SET state = ?, seq = ?,
       effective_priority = (SELECT effective_priority FROM request
                              WHERE lane = ? AND ` + isQueued + ` ORDER BY effective_priority LIMIT 1)
 WHERE id = ?`
)

// advance makes the next in a lane its head.
func (w *writer) advance(lane int64) error {
	if err := w.next(lane); err != nil {
		return err
	}
	return w.clearLane(lane)
}

// next makes the next in a lane its head, as urgent as the most urgent of the
// lane, itself included. It is ready, or held where an operator holds it.
func (w *writer) next(lane int64) error {
	var id int64
	var team, route string
	var held bool
	ok, err := w.get(sqlNextInLane, []any{lane}, &id, &team, &route, &held)
	if err != nil || !ok {
		return err
	}
	seq, err := w.nextSeq(team)
	if err != nil {
		return err
	}
	state := spool.Ready
	if held {
		state = spool.Held
	} else {
		w.ready(team)
	}
	_, err = w.exec(sqlAdvance, state, seq, lane, id)
	w.moved(route, spool.Queued, state)
	return err
}

// Unclaim implements spool.Store.
func (s *Store) Unclaim(ctx context.Context, tasks ...*spool.Task) error {
	_, err := run(ctx, s, 0, func(w *writer) (struct{}, error) {
		for _, t := range tasks {
			if err := w.unclaim(t); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

// sqlUnclaim: its seq is still that of before the claim. What the first attempt of a trial
// decided, it decides again.
const sqlUnclaim = `
UPDATE request
   SET state = ` + ready + `, due = 0, attempts = attempts - 1,
       reply_to = CASE WHEN attempts = trial_attempt AND NOT unknown THEN NULL ELSE reply_to END
 WHERE ` + isActive + ` AND id = ? AND attempts = ?
RETURNING team, route, lane`

// unclaim undoes a claim, unless it was lost.
func (w *writer) unclaim(t *spool.Task) error {
	var team, route string
	var lane int64
	ok, err := w.get(sqlUnclaim, []any{t.Request, t.Attempt}, &team, &route, &lane)
	if err != nil || !ok {
		return err
	}
	w.leases.end(t.Request)
	w.ready(team)
	w.moved(route, spool.Active, spool.Ready)
	return w.clearLane(lane)
}
