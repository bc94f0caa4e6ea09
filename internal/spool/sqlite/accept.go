package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"

	"heyrelay/internal/spool"
)

// Accept implements spool.Store.
func (s *Store) Accept(ctx context.Context, m *spool.Message) (spool.Receipt, error) {
	size := len(m.HTML) + len(m.Text) + len(m.Raw)
	if err := s.takes(size); err != nil {
		return spool.Receipt{}, err
	}
	s.answering.RLock()
	defer s.answering.RUnlock()
	row := rows.Get().(*[16 << 10]byte)
	defer rows.Put(row) // the writer has done with it when run returns
	in := prepare(m, row[:])
	var check func() error
	receipt, err := run(ctx, s, size, func(w *writer) (spool.Receipt, error) {
		check = w.check
		return w.accept(in)
	})
	if err == nil { // headroom looks once a second; the next start must find what was committed
		err = check()
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

// incoming is a message with what can be prepared before the writer has its turn.
type incoming struct {
	*spool.Message
	digest     []byte   // see ContentDigest; nil for none
	recipients []string // of each request, encoded
	dsn        []string // of each request, encoded
	body       body
}

// prepare prepares a message, whose body it packs into row where that is large enough.
func prepare(m *spool.Message, row []byte) *incoming {
	in := &incoming{Message: m, body: bodyOf(m)}
	in.body.pack(row)
	if m.ContentDigest != (spool.Fingerprint{}) {
		in.digest = m.ContentDigest[:]
	}
	for i := range m.Requests {
		r := &m.Requests[i]
		in.recipients = append(in.recipients, recipients{r.To, r.Cc}.encode())
		in.dsn = append(in.dsn, encodeDSN(r))
	}
	return in
}

func (w *writer) accept(m *incoming) (spool.Receipt, error) {
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
func repeatedSince(m *incoming) int64 {
	if m.DuplicateSince.IsZero() {
		return math.MaxInt64
	}
	return stamp(m.DuplicateSince)
}

// repeated finds the message that m repeats, and queues its failed requests again.
func (w *writer) repeated(m *incoming) (spool.Receipt, error) {
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
func (w *writer) insertMessage(m *incoming) (id int64, ok bool, err error) {
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
	if err := w.insertContent(id, m); err != nil {
		return 0, false, err
	}
	w.termed.added(id)
	return id, true, nil
}

const sqlRequest = `
INSERT INTO request (message, conversation, joined, lookup_name, lane, local_id, recipients, participants,
                     team, inbox, route, priority, effective_priority, subject_line, auto_replied, dsn,
                     state, seq, ended, requested_convo_id, call, due, attempts, began, reply_to)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// arrival is how a new request comes into the spool.
type arrival struct {
	state   spool.State
	seq     int64
	ended   int64 // of what is never sent
	replied int64 // what stopLoop counts
	call    spool.Call
	line    bool // of the subject, before both bodies
	claimed
	replyTo any // of what is claimed; nil: not decided yet
}

// insertRequest stores the i-th request of a message.
func (w *writer) insertRequest(m *incoming, i int, message int64, p placed) (int64, error) {
	r := &m.Requests[i]
	a, err := w.arrive(m, r, p)
	if err != nil {
		return 0, err
	}
	id, _, err := w.insert(
		sqlRequest,
		message,
		p.id,
		p.joined >= 0,
		lookupName(r, p.joined),
		p.id,
		r.LocalID,
		m.recipients[i],
		r.Participants,
		m.RequestTeam(),
		m.Inbox,
		m.Route,
		r.Priority,
		r.Priority,
		a.line,
		a.replied,
		m.dsn[i],
		a.state,
		a.seq,
		a.ended,
		p.requestedConvoID,
		a.call,
		stamp(a.due),
		a.attempts,
		stamp(a.began),
		a.replyTo,
	)
	if err != nil {
		return 0, err
	}
	w.entered(m.Route, a.state)
	switch {
	case a.state == spool.Active:
		w.leases.begin(id, stamp(a.due))
		w.hand(m, i, id, p, a)
	case a.state == spool.Queued && m.Smarthost:
		return id, w.leave(id, m.RequestTeam(), m.Route)
	case a.state == spool.Queued:
		return id, w.clearLane(p.id)
	}
	return id, nil
}

// arrive decides how a request comes into the spool, and claims it where it may go at once.
func (w *writer) arrive(m *incoming, r *spool.Request, p placed) (a arrival, err error) {
	a.state, err = w.firstState(m, r, p)
	if err != nil {
		return a, err
	}
	switch {
	case m.Shadow != nil:
		a.ended = stamp(m.Accepted)
	case m.AutoReplied && !p.isShared: // a message counts once
		a.replied = stamp(m.Accepted)
	}
	a.seq, err = w.nextSeq(m.RequestTeam())
	if err != nil {
		return a, err
	}
	replies := p.joined >= 0
	if p.requestedConvoID != 0 {
		replies, a.call = true, spool.CheckConversation
	}
	changed := r.Subject == spool.SubjectAlways || r.Subject == spool.SubjectChanged && m.BaseSubject != p.baseSubject
	a.line = replies && changed
	if a.state == spool.Ready {
		err = w.claimOrWait(m, r, p, &a)
	}
	return a, err
}

// firstState is the state in which a request takes its place in a lane.
func (w *writer) firstState(m *incoming, r *spool.Request, p placed) (spool.State, error) {
	switch {
	case m.Shadow != nil:
		return spool.Shadowed, nil
	case m.Smarthost:
		return spool.Queued, nil // until it leaves that lane
	}
	return w.joinLane(p, r.Priority)
}

// claimOrWait claims a request that is ready, or has it wait for Claim.
func (w *writer) claimOrWait(m *incoming, r *spool.Request, p placed, a *arrival) (err error) {
	if a.call == spool.Send && !m.AutoReplied {
		a.claimed, err = w.claimNew(m, r.Priority)
	}
	switch {
	case err != nil:
		return err
	case a.attempts > 0:
		a.state, a.replyTo = spool.Active, p.convoID
	default:
		w.ready(m.Team)
	}
	return nil
}

// sqlLeave gives a request that is queued a lane of its own, of which it is the head.
const sqlLeave = `UPDATE request SET lane = -id, state = ` + ready + ` WHERE id = ?`

// leave has a queued request go on alone: what leaves by a smarthost waits for nothing that
// leaves by the API, nor the other way round.
func (w *writer) leave(id int64, team, route string) error {
	w.ready(team)
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

const (
	sqlUnsent = `
SELECT id, conversation, team, route, state, priority FROM request
 WHERE message = ? AND ` + isUnsent + ` AND NOT forgotten ORDER BY id`

	// firstCall is the first call of a trial. The conversation that an application named is checked, unless a send
	// into it may have been carried out; of a restored backup, that is said also of what never looked there.
	firstCall = `requested_convo_id <> 0 AND (NOT unknown OR ` + callIsCheck + `)`

	// newTrial begins a trial, without a hold. If every answer was definite, whether it opens or replies is
	// decided anew: another request may have opened its conversation. One that its
	// application named is checked again.
	newTrial = `hold = '', trial_attempt = attempts + 1, call = ` + firstCall + `,
       refused_attempt = 0, refused_at = 0, conversation_alive = 0, reply_to = CASE WHEN unknown THEN reply_to END`

	sqlRevive = `
UPDATE request
   SET state = ?, seq = ?, due = 0, ended = 0, lane = conversation, effective_priority = priority,
       ` + newTrial + `
 WHERE id = ?`
)

// revive queues the failed and dropped requests of a message again, at the end of
// their lanes. They keep their local_id.
func (w *writer) revive(message int64) (int, error) {
	var gone []chosen
	err := w.each(sqlUnsent, []any{message}, func(row scanner) error {
		var r chosen
		err := row.Scan(&r.id, &r.conversation, &r.team, &r.route, &r.state, &r.priority)
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
	if state == spool.Ready {
		w.ready(r.team)
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
		return w.leave(r.id, r.team, r.route)
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
