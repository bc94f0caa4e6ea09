package sqlite

import (
	"context"
	"slices"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/threading"
)

// Forget implements spool.Operator.
func (o *Operator) Forget(ctx context.Context, now time.Time, recipient string) (spool.Moved, error) {
	m, err := o.all(ctx, spool.Filter{Recipient: recipient}, func(w *writer, r *chosen) (bool, error) {
		if r.state.Open() {
			if err := w.drop(now, r); err != nil {
				return false, err
			}
		}
		return true, w.forget(now, r, recipient)
	})
	if err != nil {
		return m, err
	}
	return m, o.forgetEmpty(ctx, recipient)
}

// conversationsAtOnce is how many conversations are looked through at once.
const conversationsAtOnce = 10_000

const (
	sqlLastConversation = `SELECT COALESCE(max(id), 0) FROM conversation`

	sqlEmptyOf = `
SELECT id FROM conversation
 WHERE id > ? AND id <= ? AND instr(' ' || participants || ' ', ?) > 0 AND ` + hasNoRequest

	hasNoRequest = `NOT EXISTS (SELECT 1 FROM request WHERE conversation = conversation.id)`
)

// forgetEmpty has the conversations with a recipient be forgotten that no request belongs to any longer: all were
// moved, or deleted.
func (o *Operator) forgetEmpty(ctx context.Context, recipient string) error {
	participant := " " + threading.Canonical(recipient) + " "
	last, err := numbers(ctx, o.Reader.db, sqlLastConversation)
	if err != nil {
		return err
	}
	for low := int64(0); low < last[0]; low += conversationsAtOnce {
		found, err := numbers(ctx, o.Reader.db, sqlEmptyOf, low, low+conversationsAtOnce, participant)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(found, step) {
			if err := o.transact(ctx, func(w *writer) error { return w.forgetConversations(some) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetConversations forgets those that still have no request.
func (w *writer) forgetConversations(ids []int64) error {
	for _, id := range ids {
		if _, err := w.exec(sqlForgetConversation+` AND `+hasNoRequest, id); err != nil {
			return err
		}
	}
	return nil
}

const (
	// No request joins a conversation of these participants.
	sqlForgetConversation = `
UPDATE conversation SET participants = 'forgotten', title = '', base_subject = '', convo_id = 0 WHERE id = ?`

	sqlForgetRequest = `
UPDATE request
   SET forgotten = 1, participants = 'forgotten', lookup_name = '', dsn = '', recipients = ?
 WHERE id = ?`

	sqlForgetNotices  = `DELETE FROM notice WHERE request = ?`
	sqlForgetAttempts = `UPDATE attempt SET reason = '' WHERE request = ?`

	sqlForgetMessage = `
UPDATE message SET title = '', message_id = '', warnings = NULL, fingerprint = NULL, content_digest = NULL
 WHERE id = ? AND NOT EXISTS (SELECT 1 FROM request WHERE message = message.id AND ` + isOpen + `)`

	sqlForgetContent = `
DELETE FROM content
 WHERE message = ? AND NOT EXISTS (SELECT 1 FROM request WHERE message = content.message AND ` + isOpen + `)`

	sqlForgetFiles = `
UPDATE attachment SET ends = min(ends, ?), revoked = 1, name = 'forgotten'
 WHERE queue_id = (SELECT queue_id FROM message WHERE id = ?)
   AND NOT EXISTS (SELECT 1 FROM request WHERE message = ? AND ` + isOpen + `)`
)

// forget deletes the traces of a recipient from a request that has ended. What
// another request of its message still needs stays until that one has ended.
func (w *writer) forget(now time.Time, r *chosen, recipient string) error {
	for _, s := range []struct {
		query string
		args  []any
	}{
		{sqlForgetConversation, []any{r.conversation}},
		{sqlForgetRequest, []any{r.recipients.without(recipient).encode(), r.id}},
		{sqlForgetNotices, []any{r.id}},
		{sqlForgetAttempts, []any{r.id}},
		{sqlForgetMessage, []any{r.message}},
		{sqlForgetContent, []any{r.message}},
		{sqlForgetFiles, []any{stamp(now), r.message, r.message}},
	} {
		if _, err := w.exec(s.query, s.args...); err != nil {
			return err
		}
	}
	return w.forgetTerm(r.message, recipient)
}

const (
	sqlRecipientsOf = `SELECT recipients FROM request WHERE message = ?`
	sqlForgetTerm   = `DELETE FROM term WHERE key = ? AND message = ?`
)

// forgetTerm has a message no longer be found by a recipient, unless another of its requests still has it:
// one that is active is forgotten later.
func (w *writer) forgetTerm(message int64, recipient string) error {
	left := false
	err := w.each(sqlRecipientsOf, []any{message}, func(row scanner) error {
		var addresses string
		err := row.Scan(&addresses)
		left = left || readable(addresses).include(recipient)
		return err
	})
	if left || err != nil {
		return err
	}
	_, err = w.exec(sqlForgetTerm, term(ofRecipient, recipient), message)
	return err
}
