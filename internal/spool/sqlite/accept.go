package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"heyrelay/internal/spool"
)

// Accept implements spool.Store.
func (s *Store) Accept(ctx context.Context, m *spool.Message) (spool.Receipt, error) {
	size := len(m.HTML) + len(m.Text) + len(m.Raw)
	if err := s.takes(size); err != nil {
		return spool.Receipt{}, err
	}
	letter := prepare(m)
	receipt, err := run(ctx, s, size, func(w *writer) (spool.Receipt, error) { return w.accept(letter) })
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

// letter is a message with what can be prepared before the writer has its turn.
type letter struct {
	*spool.Message
	digest     []byte   // see ContentDigest; nil for none
	terms      []any    // its keys in term
	recipients []string // of each request, encoded
	dsn        []string // of each request, encoded
}

func prepare(m *spool.Message) *letter {
	l := &letter{Message: m, terms: termsOf(m)}
	if m.ContentDigest != (spool.Fingerprint{}) {
		l.digest = m.ContentDigest[:]
	}
	for i := range m.Requests {
		r := &m.Requests[i]
		l.recipients = append(l.recipients, recipients{r.To, r.Cc}.encode())
		l.dsn = append(l.dsn, encodeDSN(r))
	}
	return l
}

func (w *writer) accept(m *letter) (spool.Receipt, error) {
	if len(m.Requests) == 0 {
		return spool.Receipt{}, fmt.Errorf("message %s has no request: it would never be sent", m.QueueID)
	}
	id, ok, err := w.insertMessage(m)
	if err != nil {
		return spool.Receipt{}, err
	}
	if !ok {
		return w.repeated(m)
	}
	receipt := spool.Receipt{QueueID: m.QueueID, Joined: make([]int, len(m.Requests))}
	var found placed
	for i := range m.Requests {
		shared := m.Smarthost && i > 0 && m.Requests[i].Participants == m.Requests[i-1].Participants
		if !shared {
			found, err = w.place(m, &m.Requests[i], id)
		}
		found.isShared = shared
		if err != nil {
			return spool.Receipt{}, err
		}
		receipt.Joined[i] = found.joined
		receipt.SameID = receipt.SameID || found.same
		request, err := w.insertRequest(m, i, id, found)
		if err != nil {
			return spool.Receipt{}, err
		}
		lane := found.id
		if m.Smarthost {
			lane = -request
		}
		looping, err := w.stopLoop(m.Message, &m.Requests[i], request, lane)
		if err != nil {
			return spool.Receipt{}, err
		}
		receipt.Looping = receipt.Looping || looping
	}
	receipt.Unused, err = w.attach(m.Message)
	return receipt, err
}

const (
	sqlRepeated = `
SELECT id, queue_id, content_digest FROM message
 WHERE fingerprint = ? AND accepted >= ? ORDER BY accepted DESC, id DESC LIMIT 1`

	// The reply to this client may contain the outcome, too.
	sqlReportsAfter = `UPDATE message SET reports_after = max(reports_after, ?) WHERE id = ?`

	// It is inserted unless it repeats another.
	sqlMessage = `
INSERT INTO message (queue_id, accepted, client, sender, route, team, inbox, title, message_id, warnings,
                     fingerprint, weak_fingerprint, envelope_id, return, reports_after, content_digest, shadow, refusal)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
 WHERE NOT EXISTS (SELECT 1 FROM message WHERE fingerprint = ? AND accepted >= ?)`
)

// repeatedSince is the time from which on a message is repeated by m.
func repeatedSince(m *letter) int64 {
	if m.DuplicateSince.IsZero() {
		return math.MaxInt64
	}
	return stamp(m.DuplicateSince)
}

// repeated finds the message that m repeats, and queues its failed requests again.
func (w *writer) repeated(m *letter) (spool.Receipt, error) {
	first := spool.Receipt{Duplicate: true, Unused: keysOf(m.Message)}
	var id int64
	var content []byte
	_, err := w.get(sqlRepeated, []any{m.Fingerprint[:], repeatedSince(m)}, &id, &first.QueueID, &content)
	if err != nil {
		return spool.Receipt{}, err
	}
	if !bytes.Equal(content, m.digest) {
		return spool.Receipt{}, spool.ErrKey
	}
	if m.Shadow != nil {
		return first, nil
	}
	if _, err := w.exec(sqlReportsAfter, stamp(m.ReportsAfter), id); err != nil {
		return spool.Receipt{}, err
	}
	first.Revived, err = w.revive(id)
	return first, err
}

// insertMessage returns the number of a new message, and false if m repeats one.
func (w *writer) insertMessage(m *letter) (id int64, ok bool, err error) {
	var shadow spool.Shadow
	if m.Shadow != nil {
		shadow = *m.Shadow
	}
	id, n, err := w.insert(
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
		m.digest,
		shadow.Reply,
		shadow.Refusal,
		m.Fingerprint[:],
		repeatedSince(m),
	)
	if n == 0 || err != nil {
		return 0, false, err
	}
	if err := w.insertContent(id, m.Message); err != nil {
		return 0, false, err
	}
	return id, true, w.insertTerms(id, m.terms)
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

	sqlNoConversation = `DELETE FROM conversation WHERE id = ?`
)

// placed says where a request belongs.
type placed struct {
	conversation
	joined int  // which of its keys found the conversation; -1: it opened one
	same   bool // an earlier message owns one of its own ids

	isShared bool // it is for another recipient of the same audience as the request before
}

// place finds the conversation of a request or opens one, and has the keys of the request stand for it.
func (w *writer) place(m *letter, r *spool.Request, message int64) (placed, error) {
	if answersNothing(r) {
		p, ok, err := w.openUnseen(m, r, message)
		if ok || err != nil {
			return p, err
		}
	}
	p, err := w.find(m, r)
	if err != nil {
		return p, err
	}
	p.same, err = w.recordKeys(r, message, p.id)
	return p, err
}

// answersNothing reports whether only its own ids can find the conversation of a request: an answer
// that came before it.
func answersNothing(r *spool.Request) bool {
	foreign := func(k spool.Key) bool { return !slices.Contains(r.Own, k) }
	return r.ConvoID == 0 && r.Cited == nil && !slices.ContainsFunc(r.Lookup, foreign)
}

// openUnseen opens a conversation for a request whose own ids nobody has seen. If they were seen,
// it opens none and returns false.
func (w *writer) openUnseen(m *letter, r *spool.Request, message int64) (p placed, ok bool, err error) {
	p, err = w.open(m, r, conversation{})
	if err != nil {
		return p, false, err
	}
	n, err := w.link(r.Own, p.id, message)
	if err != nil || n == len(r.Own) {
		return p, true, err
	}
	_, err = w.exec(sqlNoConversation, p.id)
	return placed{}, false, err
}

// find returns the conversation of a request, or a new one.
func (w *writer) find(m *letter, r *spool.Request) (p placed, err error) {
	p.joined, err = w.lookUp(m, r, &p.conversation)
	if err != nil {
		return p, err
	}
	if p.joined < 0 {
		return w.open(m, r, p.conversation)
	}
	_, err = w.exec(sqlLastUsed, max(p.lastUsed, stamp(m.Accepted)), p.id)
	return p, err
}

// open opens a conversation, c with what is known of it.
func (w *writer) open(m *letter, r *spool.Request, c conversation) (p placed, err error) {
	if m.Smarthost { // nothing is sent to the conversation that its application named
		c.requestedConvoID = 0
	}
	if c.requestedConvoID == 0 { // else its title is unknown
		c.baseSubject = m.BaseSubject
	}
	c.id, _, err = w.insert(
		sqlConversation, m.Team, m.Inbox, r.Participants, m.Title, m.BaseSubject, stamp(m.Accepted),
	)
	return placed{conversation: c, joined: -1}, err
}

// lookUp finds the conversation that the first known key of the request stands for,
// and returns the index of that key, or -1.
func (w *writer) lookUp(m *letter, r *spool.Request, c *conversation) (int, error) {
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
func (w *writer) requested(m *letter, r *spool.Request, c *conversation) (int, error) {
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

// insertRequest queues the i-th request of a message.
func (w *writer) insertRequest(m *letter, i int, message int64, p placed) (int64, error) {
	r := &m.Requests[i]
	lane := p.id
	state, ended := spool.Shadowed, stamp(m.Accepted)
	replied := int64(0)
	if m.Shadow == nil {
		var err error
		state = spool.Queued
		if !m.Smarthost {
			state, err = w.joinLane(p, r.Priority)
		}
		if err != nil {
			return 0, err
		}
		ended = 0
		if m.AutoReplied && !p.isShared { // a message counts once
			replied = stamp(m.Accepted)
		}
	}
	seq, err := w.nextSeq(m.RequestTeam())
	if err != nil {
		return 0, err
	}
	changed := r.Subject == spool.SubjectAlways || r.Subject == spool.SubjectChanged && m.BaseSubject != p.baseSubject
	replies, first := p.joined >= 0, spool.Send
	if p.requestedConvoID != 0 {
		replies, first = true, spool.CheckConversation
	}
	id, _, err := w.insert(
		sqlRequest,
		message,
		p.id,
		p.joined >= 0,
		lookupName(r, p.joined),
		lane,
		r.LocalID,
		m.recipients[i],
		r.Participants,
		m.RequestTeam(),
		m.Inbox,
		m.Route,
		r.Priority,
		r.Priority,
		replies && changed,
		replied,
		m.dsn[i],
		state,
		seq,
		ended,
		p.requestedConvoID,
		first,
	)
	w.entered(m.Route, state)
	if state != spool.Queued || err != nil {
		return id, err
	}
	if m.Smarthost {
		return id, w.leave(id, m.Route)
	}
	return id, w.clearLane(lane)
}

// sqlLeave gives a request that is queued a lane of its own, of which it is the head.
const sqlLeave = `UPDATE request SET lane = -id, state = ` + ready + ` WHERE id = ?`

// leave has a queued request go on alone: what leaves by a smarthost waits for nothing that
// leaves by the API, nor the other way round.
func (w *writer) leave(id int64, route string) error {
	_, err := w.exec(sqlLeave, id)
	w.moved(route, spool.Queued, spool.Ready)
	return err
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

// joinLane puts a new request at the end of the lane of its conversation, which is empty if the
// request opened it.
func (w *writer) joinLane(p placed, class spool.Priority) (spool.State, error) {
	if p.joined < 0 {
		return spool.Ready, nil
	}
	return w.behind(p.id, class)
}

// behind puts a request at the end of a lane: it is queued behind the head, which
// becomes as urgent as the most urgent in the lane, or it is the head.
func (w *writer) behind(lane int64, class spool.Priority) (spool.State, error) {
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

var sqlLinks = rowsOf("INSERT INTO link (key, conversation, owner) VALUES", "(?, ?, ?)", "ON CONFLICT (key) DO NOTHING")

const (
	sqlOwner  = `SELECT owner FROM link WHERE key = ?`
	sqlRelink = `UPDATE link SET conversation = ?, owner = ? WHERE key = ?`
)

// link has those of keys that are unknown stand for a conversation, and returns their number. Their
// owner is a message, or 0.
func (w *writer) link(keys []spool.Key, conversation, owner int64) (int, error) {
	var args []any
	for i := range keys {
		args = append(args, keys[i][:], conversation, owner)
	}
	return w.insertRows(&sqlLinks, 3, args)
}

// recordKeys has the keys of the request stand for its conversation: its own ids
// always, those that it cites if they are unknown. It reports whether an earlier
// message owns one of its own ids.
func (w *writer) recordKeys(r *spool.Request, message, conversation int64) (same bool, err error) {
	n, err := w.link(r.Own, conversation, message)
	if n < len(r.Own) && err == nil {
		same, err = w.relink(r.Own, message, conversation)
	}
	if err != nil {
		return false, err
	}
	_, err = w.link(r.Cited, conversation, 0)
	return same, err
}

// relink has keys that may be known stand for a conversation, and reports whether an earlier message
// owns one of them.
func (w *writer) relink(keys []spool.Key, message, conversation int64) (same bool, err error) {
	for _, key := range keys {
		var owner int64
		if _, err := w.get(sqlOwner, []any{key[:]}, &owner); err != nil {
			return false, err
		}
		same = same || owner != 0 && owner != message
		if _, err := w.exec(sqlRelink, conversation, message, key[:]); err != nil {
			return false, err
		}
	}
	return same, nil
}

const (
	sqlUnsent = `
SELECT id, conversation, team, route, state, priority FROM request
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
		err := rows.Scan(&r.id, &r.conversation, &r.team, &r.route, &r.state, &r.priority)
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
// conversation, or in one of its own where it leaves by a smarthost.
func (w *writer) requeue(r *chosen) error {
	_, alone := spool.SmarthostRoute(r.team)
	var err error
	state := spool.Queued
	if !alone {
		state, err = w.behind(r.conversation, r.priority)
	}
	if err != nil {
		return err
	}
	seq, err := w.nextSeq(r.team)
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
	if alone {
		return w.leave(r.id, r.route)
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
