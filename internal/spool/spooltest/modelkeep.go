package spooltest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// forget is Forget, of one request.
func (m *model) forget(r *modelRequest, address string) bool {
	if r.state.Open() {
		m.leave(r)
	}
	isTo := func(a string) bool { return strings.EqualFold(a, address) }
	r.forgotten = true
	r.To = slices.DeleteFunc(slices.Clone(r.To), isTo)
	r.Cc = slices.DeleteFunc(slices.Clone(r.Cc), isTo)
	r.Participants, r.LookupNames = "forgotten", nil
	m.silence(func(n *modelNotice) bool { return n.about == r })
	r.conv.participants, r.conv.convo = "forgotten", 0
	r.conv.title, r.conv.baseSubject = "", ""
	for i := range r.tries {
		r.tries[i].Reason = ""
	}
	if !r.message.isOpen() {
		m.forgetMessage(r.message)
	}
	return true
}

// forgetEmpty forgets the conversations with a recipient that have no request any longer.
func (m *model) forgetEmpty(address string) {
	used := m.conversations()
	for _, c := range m.convs {
		if !used[c] && slices.Contains(strings.Fields(c.participants), strings.ToLower(address)) {
			c.participants, c.convo = "forgotten", 0
			c.title, c.baseSubject = "", ""
		}
	}
}

// conversations are those that have requests.
func (m *model) conversations() map[*modelConv]bool {
	used := map[*modelConv]bool{}
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			used[r.conv] = true
		}
	}
	return used
}

func (m *model) forgetMessage(msg *modelMessage) {
	msg.forgotten, msg.emptied = true, true
	msg.Title, msg.MessageIDs = "", nil
	for _, a := range m.files.attached {
		if a.QueueID == msg.QueueID {
			a.Name, a.Revoked = "forgotten", true
			a.Expires = earlier(a.Expires, m.now)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (msg *modelMessage) isOpen() bool {
	return slices.ContainsFunc(msg.requests, func(r *modelRequest) bool { return r.state.Open() })
}

// prune is a round of Prune. It returns the messages that it deletes.
func (m *model) prune(now time.Time, keep spool.Retention) (deleted []*modelMessage) {
	m.messages = slices.DeleteFunc(m.messages, func(msg *modelMessage) bool {
		if m.undelivered(msg, keep.Ways) {
			return false
		}
		msg.emptied = msg.emptied || msg.hasContentNoMore(now, keep)
		old := msg.isOld(now, keep)
		if old {
			deleted = append(deleted, msg)
		}
		return old
	})
	m.silence(func(n *modelNotice) bool { return n.about != nil && slices.Contains(deleted, n.about.message) })
	m.silence(func(n *modelNotice) bool {
		return n.about == nil && !slices.Contains(keep.Ways, n.way) && n.happened.Before(now.Add(-keep.Sent))
	})
	for _, msg := range deleted {
		for _, r := range msg.requests {
			m.count(m.gone, r)
		}
	}
	used := m.conversations()
	unused := func(c *modelConv) bool { return c.lastUsed.Before(now.Add(-keep.Threads)) }
	maps.DeleteFunc(m.links, func(_ spool.Key, l *modelLink) bool { return unused(l.conv) })
	m.convs = slices.DeleteFunc(m.convs, func(c *modelConv) bool { return unused(c) && !used[c] })
	return deleted
}

// hasContentNoMore reports whether all of a message was taken long enough ago.
func (msg *modelMessage) hasContentNoMore(now time.Time, keep spool.Retention) bool {
	return msg.all(spool.Sent, spool.Flagged) && msg.endedBefore(now.Add(-keep.Content))
}

// isOld reports whether a message ended long enough ago to be deleted.
func (msg *modelMessage) isOld(now time.Time, keep spool.Retention) bool {
	age := keep.Failed
	if msg.all(spool.Sent, spool.Flagged) {
		age = keep.Sent
	}
	return !msg.isOpen() && msg.endedBefore(now.Add(-age)) && msg.Accepted.Before(now.Add(-keep.Repeats))
}

func (msg *modelMessage) all(states ...spool.State) bool {
	return !slices.ContainsFunc(msg.requests, func(r *modelRequest) bool { return !slices.Contains(states, r.state) })
}

// endedBefore reports whether a message was accepted and has ended before t.
func (msg *modelMessage) endedBefore(t time.Time) bool {
	return msg.Accepted.Before(t) &&
		!slices.ContainsFunc(msg.requests, func(r *modelRequest) bool { return !r.ended.Before(t) })
}
