package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"

	"heyrelay/internal/spool"
)

// Accept implements spool.Store.
func (s *Store) Accept(ctx context.Context, m *spool.Message) (spool.Receipt, error) {
	size := len(m.HTML) + len(m.Text) + len(m.Raw)
	if err := s.takes(size); err != nil {
		return spool.Receipt{}, err
	}
	receipt, err := run(ctx, s, size, func(w *writer) (spool.Receipt, error) { return w.accept(m) })
	if err == nil { // headroom looks once a second; the next start must find what was committed
		err = s.headroom.files.check()
	}
	return receipt, err
}

// takes returns why no message of size bytes is accepted now, nil if one is.
func (s *Store) takes(size int) error {
	if damage := s.damage.Load(); damage != nil {
		return *damage
	}
	return s.headroom.check(int64(size))
}

func (w *writer) accept(m *spool.Message) (spool.Receipt, error) {
	if len(m.Requests) == 0 {
		return spool.Receipt{}, fmt.Errorf("message %s has no request: it would never be sent", m.QueueID)
	}
	if first, ok, err := w.repeated(m); ok || err != nil {
		return first, err
	}
	id, err := w.insertMessage(m)
	if err != nil {
		return spool.Receipt{}, err
	}
	receipt := spool.Receipt{QueueID: m.QueueID, Joined: make([]int, len(m.Requests))}
	for i := range m.Requests {
		c, joined, err := w.find(m, &m.Requests[i])
		if err != nil {
			return spool.Receipt{}, err
		}
		receipt.Joined[i] = joined
		request, err := w.insertRequest(m, &m.Requests[i], id, c, joined)
		if err != nil {
			return spool.Receipt{}, err
		}
		looping, err := w.stopLoop(m, &m.Requests[i], request, c.id)
		if err != nil {
			return spool.Receipt{}, err
		}
		receipt.Looping = receipt.Looping || looping
		same, err := w.recordKeys(&m.Requests[i], id, c.id)
		if err != nil {
			return spool.Receipt{}, err
		}
		receipt.SameID = receipt.SameID || same
	}
	receipt.Unused, err = w.attach(m)
	return receipt, err
}

const (
	sqlRepeated = `
SELECT id, queue_id, content_digest FROM message
 WHERE fingerprint = ? AND accepted >= ? ORDER BY accepted DESC, id DESC LIMIT 1`

	// The reply to this client may contain the outcome, too.
	sqlReportsAfter = `UPDATE message SET reports_after = max(reports_after, ?) WHERE id = ?`

	sqlMessage = `
INSERT INTO message (queue_id, accepted, client, sender, route, team, inbox, title, message_id, warnings,
                     fingerprint, weak_fingerprint, envelope_id, return, reports_after, content_digest, shadow, refusal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	sqlContent = `INSERT INTO content (message, html, subject_offset, text, raw) VALUES (?, ?, ?, ?, ?)`
)

// repeated finds the message that m repeats, and queues its failed requests again.
func (w *writer) repeated(m *spool.Message) (_ spool.Receipt, ok bool, err error) {
	if m.DuplicateSince.IsZero() {
		return spool.Receipt{}, false, nil
	}
	first := spool.Receipt{Duplicate: true, Unused: keysOf(m)}
	var id int64
	var content []byte
	ok, err = w.get(sqlRepeated, []any{m.Fingerprint[:], stamp(m.DuplicateSince)}, &id, &first.QueueID, &content)
	if !ok || err != nil {
		return spool.Receipt{}, false, err
	}
	if !bytes.Equal(content, digest(m)) {
		return spool.Receipt{}, false, spool.ErrKey
	}
	if m.Shadow != nil {
		return first, true, nil
	}
	if _, err := w.exec(sqlReportsAfter, stamp(m.ReportsAfter), id); err != nil {
		return spool.Receipt{}, false, err
	}
	first.Revived, err = w.revive(id)
	return first, true, err
}

func (w *writer) insertMessage(m *spool.Message) (int64, error) {
	var shadow spool.Shadow
	if m.Shadow != nil {
		shadow = *m.Shadow
	}
	id, err := w.insert(
		sqlMessage,
		m.QueueID,
		stamp(m.Accepted),
		m.Client,
		m.Sender,
		m.Route,
		m.Team,
		m.Inbox,
		m.Title,
		strings.Join(m.MessageIDs, " "),
		m.Warnings,
		m.Fingerprint[:],
		m.WeakFingerprint,
		m.EnvelopeID,
		m.Return,
		stamp(m.ReportsAfter),
		digest(m),
		shadow.Reply,
		shadow.Refusal,
	)
	if err != nil {
		return 0, err
	}
	_, err = w.exec(sqlContent, id, m.HTML, m.SubjectOffset, m.Text, m.Raw)
	if err != nil {
		return 0, err
	}
	return id, w.recordTerms(id, m)
}

// digest is the content digest of m, nil if it has no key.
func digest(m *spool.Message) []byte {
	if m.ContentDigest == (spool.Fingerprint{}) {
		return nil
	}
	return m.ContentDigest[:]
}

// conversation is what Accept needs to know of one.
type conversation struct {
	id               int64
	baseSubject      string
	lastUsed         int64
	requestedConvoID int64 // see request.wanted
}

const (
	// The key covers scope and participants already. They are compared all the same,
	// so that a wrong key sends no message to the wrong people.
	sqlFind = `
SELECT c.id, c.base_subject, c.last_used FROM link l JOIN conversation c ON c.id = l.conversation
 WHERE l.key = ? AND c.team = ? AND c.inbox = ? AND c.participants = ?`

	sqlLastUsed = `UPDATE conversation SET last_used = ? WHERE id = ?`

	sqlConversation = `
INSERT INTO conversation (team, inbox, participants, title, base_subject, last_used) VALUES (?, ?, ?, ?, ?, ?)`
)

// find returns the conversation of a request and which of its keys found it, or a
// new conversation and -1.
func (w *writer) find(m *spool.Message, r *spool.Request) (c conversation, joined int, err error) {
	accepted := stamp(m.Accepted)
	joined, err = w.lookUp(m, r, &c)
	if err != nil {
		return c, joined, err
	}
	if joined >= 0 {
		_, err = w.exec(sqlLastUsed, max(c.lastUsed, accepted), c.id)
		return c, joined, err
	}
	if c.requestedConvoID == 0 { // else its title is unknown
		c.baseSubject = m.BaseSubject
	}
	c.id, err = w.insert(sqlConversation, m.Team, m.Inbox, r.Participants, m.Title, m.BaseSubject, accepted)
	return c, -1, err
}

// lookUp finds the conversation that the first known key of the request stands for,
// and returns the index of that key, or -1.
func (w *writer) lookUp(m *spool.Message, r *spool.Request, c *conversation) (int, error) {
	if r.ConvoID != 0 {
		return w.requested(m, r, c)
	}
	for i, key := range r.Lookup {
		ok, err := w.get(sqlFind, []any{key[:], m.Team, m.Inbox, r.Participants}, &c.id, &c.baseSubject, &c.lastUsed)
		if ok || err != nil {
			return i, err
		}
	}
	return -1, nil
}

const (
	sqlConvoKnown = `
SELECT id, base_subject, last_used, inbox = ? AND participants = ? FROM conversation
 WHERE team = ? AND convo_id = ? AND convo_id <> 0 LIMIT 1`

	sqlRequestedConvo = `
SELECT c.id, c.base_subject, c.last_used, r.inbox = ? AND r.participants = ?
  FROM request r INDEXED BY request_requested_convo JOIN conversation c ON c.id = r.conversation
 WHERE r.team = ? AND r.requested_convo_id = ? AND r.requested_convo_id <> 0 AND r.` + isOpen + ` LIMIT 1`
)

// requested finds the conversation with the convo_id that the application named, or
// else that of a pending request that named it, too. Either must have the inbox and
// the participants of the request, or the request must not be sent.
func (w *writer) requested(m *spool.Message, r *spool.Request, c *conversation) (int, error) {
	args := []any{m.Inbox, r.Participants, m.Team, r.ConvoID}
	var same bool
	found, err := w.get(sqlConvoKnown, args, &c.id, &c.baseSubject, &c.lastUsed, &same)
	if !found && err == nil {
		c.requestedConvoID = r.ConvoID
		found, err = w.get(sqlRequestedConvo, args, &c.id, &c.baseSubject, &c.lastUsed, &same)
	}
	switch {
	case err != nil || !found:
		return -1, err
	case !same:
		return -1, spool.ErrConvo
	}
	return 0, nil
}

const sqlRequest = `
INSERT INTO request (message, conversation, joined, lookup_name, lane, local_id, recipients, participants,
                     team, inbox, route, priority, effective_priority, subject_line, auto_replied, dsn,
                     state, seq, ended, due, requested_convo_id, call)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)`

func (w *writer) insertRequest(
	m *spool.Message,
	r *spool.Request,
	message int64,
	c conversation,
	joined int,
) (int64, error) {
	lane := c.id
	state, ended := spool.Shadowed, stamp(m.Accepted)
	replied := int64(0)
	if m.Shadow == nil {
		var err error
		state, err = w.joinLane(lane, r.Priority)
		if err != nil {
			return 0, err
		}
		ended = 0
		if m.AutoReplied {
			replied = stamp(m.Accepted)
		}
	}
	seq, err := w.nextSeq()
	if err != nil {
		return 0, err
	}
	changed := r.Subject == spool.SubjectAlways || r.Subject == spool.SubjectChanged && m.BaseSubject != c.baseSubject
	replies, first := joined >= 0, spool.Send
	if c.requestedConvoID != 0 {
		replies, first = true, spool.CheckConversation
	}
	id, err := w.insert(
		sqlRequest,
		message,
		c.id,
		joined >= 0,
		lookupName(r, joined),
		lane,
		r.LocalID,
		recipients{r.To, r.Cc}.encode(),
		r.Participants,
		m.Team,
		m.Inbox,
		m.Route,
		r.Priority,
		r.Priority,
		replies && changed,
		replied,
		encodeDSN(r),
		state,
		seq,
		ended,
		c.requestedConvoID,
		first,
	)
	w.entered(m.Route, state)
	if state != spool.Queued || err != nil {
		return id, err
	}
	return id, w.clearLane(lane)
}

// lookupName is what found the conversation of a request, for people.
func lookupName(r *spool.Request, joined int) string {
	if joined < 0 || joined >= len(r.LookupNames) {
		return ""
	}
	return r.LookupNames[joined]
}

const (
	sqlHead              = `SELECT id, effective_priority FROM request WHERE lane = ? AND ` + isHead
	sqlEffectivePriority = `UPDATE request SET effective_priority = ? WHERE id = ?`
)

// joinLane puts a new request at the end of a lane: it is queued behind the head,
// which becomes as urgent as the most urgent in the lane, or it is the head.
func (w *writer) joinLane(lane int64, class spool.Priority) (spool.State, error) {
	var head int64
	var of spool.Priority
	ok, err := w.get(sqlHead, []any{lane}, &head, &of)
	if err != nil || !ok {
		return spool.Ready, err
	}
	if class < of {
		_, err = w.exec(sqlEffectivePriority, class, head)
	}
	return spool.Queued, err
}

const (
	sqlLink   = `INSERT INTO link (key, conversation, owner) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING`
	sqlOwner  = `SELECT owner FROM link WHERE key = ?`
	sqlRelink = `UPDATE link SET conversation = ?, owner = ? WHERE key = ?`
)

// recordKeys has the keys of the request stand for its conversation: its own ids
// always, those that it cites if they are unknown. It reports whether an earlier
// message owns one of its own ids.
func (w *writer) recordKeys(r *spool.Request, message, conversation int64) (same bool, err error) {
	for _, key := range r.Own {
		n, err := w.exec(sqlLink, key[:], conversation, message)
		if err != nil {
			return false, err
		}
		if n == 1 {
			continue
		}
		var owner int64
		if _, err := w.get(sqlOwner, []any{key[:]}, &owner); err != nil {
			return false, err
		}
		same = same || owner != 0 && owner != message
		if _, err := w.exec(sqlRelink, conversation, message, key[:]); err != nil {
			return false, err
		}
	}
	for _, key := range r.Cited {
		if _, err := w.exec(sqlLink, key[:], conversation, 0); err != nil {
			return false, err
		}
	}
	return same, nil
}

const (
	sqlUnsent = `
SELECT id, conversation, route, state, priority FROM request
 WHERE message = ? AND ` + isUnsent + ` AND NOT forgotten ORDER BY id`

	// A new trial. If every answer was definite, whether it opens or replies is
	// decided anew: another request may have opened its conversation. One that its
	// application named is checked again.
	sqlRevive = `
UPDATE request
   SET state = ?, seq = ?, due = 0, ended = 0, lane = conversation, effective_priority = priority, hold = '',
       trial_attempt = attempts + 1, call = requested_convo_id <> 0 AND NOT unknown,
       refused_attempt = 0, refused_at = 0, conversation_alive = 0,
       reply_to = CASE WHEN unknown THEN reply_to END
 WHERE id = ?`
)

// revive queues the failed and dropped requests of a message again, at the end of
// their lanes. They keep their local_id.
func (w *writer) revive(message int64) (int, error) {
	var gone []chosen
	err := w.each(sqlUnsent, []any{message}, func(rows *sql.Rows) error {
		var r chosen
		err := rows.Scan(&r.id, &r.conversation, &r.route, &r.state, &r.priority)
		gone = append(gone, r)
		return err
	})
	if err != nil {
		return 0, err
	}
	for i := range gone {
		if err := w.requeue(&gone[i]); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

// requeue puts a request that is in no lane at the end of the lane of its
// conversation.
func (w *writer) requeue(r *chosen) error {
	state, err := w.joinLane(r.conversation, r.priority)
	if err != nil {
		return err
	}
	seq, err := w.nextSeq()
	if err != nil {
		return err
	}
	w.moved(r.route, r.state, state)
	_, err = w.exec(sqlRevive, state, seq, r.id)
	if err != nil {
		return err
	}
	_, err = w.exec(sqlUnreport, r.id)
	if err != nil {
		return err
	}
	return w.clearLane(r.conversation)
}

const (
	sqlByQueueID    = `SELECT id FROM message WHERE queue_id = ?`
	sqlConfirmReply = `
UPDATE message SET fingerprint = NULL WHERE id = ? AND weak_fingerprint = 1 AND fingerprint IS NOT NULL`
)

// ConfirmReply implements spool.Store.
func (s *Store) ConfirmReply(ctx context.Context, queueID string) error {
	_, err := run(ctx, s, 0, func(w *writer) (int64, error) {
		var id int64
		ok, err := w.get(sqlByQueueID, []any{queueID}, &id)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, spool.ErrNotFound
		}
		return w.exec(sqlConfirmReply, id)
	})
	return err
}
