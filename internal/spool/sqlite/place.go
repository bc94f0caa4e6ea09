package sqlite

import (
	"slices"

	"heyrelay/internal/spool"
)

// conversation is what Accept needs to know of one.
type conversation struct {
	id               int64
	baseSubject      string
	lastUsed         int64
	convoID          int64
	requestedConvoID int64 // that the application named, if convoID is not known yet; else 0
}

const (
	// The key covers scope and participants already. They are compared all the same,
	// so that a wrong key sends no message to the wrong people.
	sqlFind = `
SELECT c.id, c.base_subject, c.last_used, c.convo_id FROM link l JOIN conversation c ON c.id = l.conversation
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
func (w *writer) place(m *incoming, r *spool.Request, message int64) (placed, error) {
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
func (w *writer) openUnseen(m *incoming, r *spool.Request, message int64) (p placed, ok bool, err error) {
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
func (w *writer) find(m *incoming, r *spool.Request) (p placed, err error) {
	p.joined, err = w.lookUp(m, r, &p.conversation)
	if err != nil {
		return p, err
	}
	if m.Smarthost { // nothing is sent to the conversation that its application named
		p.requestedConvoID = 0
	}
	if p.joined < 0 {
		return w.open(m, r, p.conversation)
	}
	_, err = w.exec(sqlLastUsed, max(p.lastUsed, stamp(m.Accepted)), p.id)
	return p, err
}

// open opens a conversation, c with what is known of it.
func (w *writer) open(m *incoming, r *spool.Request, c conversation) (p placed, err error) {
	if c.requestedConvoID == 0 { // else its title is unknown
		c.baseSubject = m.BaseSubject
	}
	c.id, _, err = w.insert(sqlConversation, m.Team, m.Inbox, r.Participants, m.Title, m.BaseSubject, stamp(m.Accepted))
	return placed{conversation: c, joined: -1}, err
}

// lookUp finds the conversation that the first known key of the request stands for,
// and returns the index of that key, or -1.
func (w *writer) lookUp(m *incoming, r *spool.Request, c *conversation) (int, error) {
	if r.ConvoID != 0 {
		return w.requested(m, r, c)
	}
	for i, key := range r.Lookup {
		args := []any{key[:], m.Team, m.Inbox, r.Participants}
		ok, err := w.get(sqlFind, args, &c.id, &c.baseSubject, &c.lastUsed, &c.convoID)
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
 WHERE r.team = ? AND r.requested_convo_id = ? AND r.requested_convo_id <> 0 AND r.` + isOpen + `
   AND c.participants <> 'forgotten' LIMIT 1`
)

// requested finds the conversation with the convo_id that the application named, or
// else that of a pending request that named it, too. Either must have the inbox and
// the participants of the request, or the request must not be sent.
func (w *writer) requested(m *incoming, r *spool.Request, c *conversation) (int, error) {
	args := []any{m.Inbox, r.Participants, m.Team, r.ConvoID}
	var same bool
	found, err := w.get(sqlConvoKnown, args, &c.id, &c.baseSubject, &c.lastUsed, &same)
	if found {
		c.convoID = r.ConvoID
	}
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

// A key of a conversation whose recipient was forgotten is as good as unknown.
var sqlLinks = rowsOf("INSERT INTO link (key, conversation, owner) VALUES", "(?, ?, ?)", `
ON CONFLICT (key) DO UPDATE SET conversation = excluded.conversation, owner = excluded.owner
 WHERE (SELECT participants FROM conversation c WHERE c.id = link.conversation) = 'forgotten'`)

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
