package sqlite

import (
	"cmp"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

const (
	sqlTask = `
SELECT r.attempts + 1, r.local_id, r.recipients, r.participants, r.route, r.team, r.subject_line, r.unknown,
       r.sends_since, r.refused_at,
       COALESCE(r.reply_to, NULLIF(r.requested_convo_id, 0), c.convo_id), r.call, r.conversation_alive, r.lane < 0,
       r.requested_convo_id <> 0,
       r.requested_convo_id <> 0 AND EXISTS (
           SELECT 1 FROM conversation
            WHERE team = r.team AND convo_id = r.requested_convo_id AND convo_id <> 0
              AND participants <> r.participants),
       COALESCE((SELECT reason FROM attempt WHERE request = r.id AND n = r.refused_attempt), ''),
       COALESCE((SELECT status FROM attempt WHERE request = r.id AND n = r.refused_attempt), 0),
       COALESCE((SELECT api_id FROM attempt WHERE request = r.id AND n = r.refused_attempt), ''),
       COALESCE((SELECT began FROM attempt WHERE request = r.id AND n = r.trial_attempt), 0),
       COALESCE((SELECT max(released) FROM gate
                  WHERE team = r.team AND route IN ('', r.route) AND inbox IN (0, r.inbox)), 0),
       r.dsn, r.delayed, m.envelope_id, m.return,
       m.queue_id, m.sender, r.inbox, m.title, m.accepted, x.html, x.subject_offset, x.text, ` + rawOfPacked + `
  FROM request r
  JOIN message m ON m.id = r.message
  JOIN conversation c ON c.id = r.conversation
  JOIN content x ON x.message = r.message
 WHERE r.id = ?`

	// Those without a definite answer.
	sqlSends = `
SELECT began, reason = '` + backupReason + `' FROM attempt
 WHERE request = ? AND n >= ? AND ` + callIsSend + ` AND (ended = 0 OR unknown) ORDER BY n`

	sqlPlainTask = `
SELECT r.attempts + 1, r.local_id, r.route, r.team, r.inbox, r.call, COALESCE(r.reply_to, 0), m.queue_id, m.sender
  FROM request r JOIN message m ON m.id = r.message WHERE r.id = ?`
)

// load reads all that a call needs.
func (c *claim) load(id int64) (*spool.Task, error) {
	t := &spool.Task{Request: id}
	var addresses, asked string
	var subjectLine bool
	var sendsSince int
	var x body
	var refused, tried, released, accepted int64
	ok, err := c.get(sqlTask, []any{id},
		&t.Attempt, &t.LocalID, &addresses, &t.Participants, &t.Route, &t.Team, &subjectLine, &t.Unknown, &sendsSince,
		&refused,
		&t.ConvoID, &t.Call, &t.ConversationAlive, &t.Detached, &t.Named, &t.ConvoConflict,
		&t.Refused, &t.RefusedStatus, &t.RefusedAPIID, &tried, &released,
		&asked, &t.Delayed, &t.EnvelopeID, &t.Return,
		&t.QueueID, &t.Sender, &t.Inbox, &t.Title, &accepted, &x.html, &x.subjectOffset, &x.text, &x.raw)
	if err != nil {
		return t, err
	}
	if !ok {
		return t, fmt.Errorf("%w: request %d has no message, conversation or content", spool.ErrCorrupt, id)
	}
	if err := x.unpack(t.QueueID, bodiesOnly); err != nil {
		return t, err
	}
	t.HTML, t.Text, t.SubjectOffset = x.html, x.text, x.subjectOffset
	t.Accepted, t.RouteRefusedAt = moment(accepted), moment(c.past(refused))
	if tried != 0 {
		t.TrialSince = moment(max(c.past(tried), c.past(released)))
	}
	if subjectLine {
		t.Subject = t.Title
	}
	r, err := decodeRecipients(addresses)
	if err != nil {
		return t, err
	}
	t.To, t.Cc = r.To, r.Cc
	if t.Unknown {
		t.Sends, t.Restored, err = c.sends(id, sendsSince)
		if err != nil {
			return t, err
		}
	}
	t.DSN, err = decodeDSN(asked)
	return t, err
}

// sends are the beginnings of the sends of a request that have no definite answer,
// from an attempt on. restored reports whether a backup was restored between them.
func (w *writer) sends(id int64, since int) (all []time.Time, restored bool, err error) {
	err = w.each(sqlSends, []any{id, since}, func(row scanner) error {
		var began int64
		var backup bool
		err := row.Scan(&began, &backup)
		all = append(all, moment(began))
		restored = restored || backup
		return err
	})
	return all, restored, err
}

// loadSafely is load, but a panic over one request, or what is damaged in its rows, stops no other: its task says
// so, and no call is made. A damaged page is an error, as other requests may be in it.
func (c *claim) loadSafely(id int64) (*spool.Task, error) {
	t, err := c.tryLoad(id)
	if err == nil || isMedium(err) {
		return t, err
	}
	t = &spool.Task{Request: id, Unreadable: err}
	found, plainErr := c.get(sqlPlainTask, []any{id},
		&t.Attempt, &t.LocalID, &t.Route, &t.Team, &t.Inbox, &t.Call, &t.ConvoID, &t.QueueID, &t.Sender)
	if !found {
		return t, cmp.Or(plainErr, err)
	}
	return t, nil
}

// tryLoad is load, but a panic is an error.
func (c *claim) tryLoad(id int64) (t *spool.Task, err error) {
	defer recoverAs(&err)
	if c.beforeLoad != nil {
		c.beforeLoad(id)
	}
	return c.load(id)
}
