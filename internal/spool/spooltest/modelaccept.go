package spooltest

import (
	"slices"

	"heyrelay/internal/spool"
)

// accept is Accept.
func (m *model) accept(msg *spool.Message) (spool.Receipt, error) {
	if first := m.repeated(msg); first != nil {
		return m.acceptAgain(first, msg)
	}
	mm := &modelMessage{Message: *msg}
	receipt := spool.Receipt{QueueID: msg.QueueID}
	for i := range msg.Requests {
		r := &modelRequest{Request: msg.Requests[i], message: mm, route: msg.Route, joined: -1, trial: 1, since: 1}
		if err := m.placeIn(mm, r); err != nil {
			return spool.Receipt{}, err
		}
		m.enter(r)
		if msg.AutoReplied && msg.Shadow == nil && m.stopLoop(r) {
			receipt.Looping = true
		}
		mm.requests = append(mm.requests, r)
		receipt.Joined = append(receipt.Joined, r.joined)
		if m.addLinks(r) {
			receipt.SameID = true
		}
	}
	m.messages = append(m.messages, mm)
	receipt.Unused = m.files.attach(msg)
	return receipt, nil
}

// acceptAgain accepts a message that repeats the first.
func (m *model) acceptAgain(first *modelMessage, msg *spool.Message) (spool.Receipt, error) {
	if first.ContentDigest != msg.ContentDigest {
		return spool.Receipt{}, spool.ErrKey
	}
	receipt := spool.Receipt{QueueID: first.QueueID, Duplicate: true, Unused: keys(msg.Files)}
	if msg.Shadow != nil {
		return receipt, nil
	}
	if msg.ReportsAfter.After(first.ReportsAfter) {
		first.ReportsAfter = msg.ReportsAfter
	}
	receipt.Revived = m.revive(first)
	return receipt, nil
}

// placeIn gives the next request of a message its conversation.
func (m *model) placeIn(msg *modelMessage, r *modelRequest) error {
	if msg.shares(r) {
		before := msg.requests[len(msg.requests)-1]
		r.conv, r.joined, r.shared = before.conv, before.joined, true
	} else if err := m.find(&msg.Message, r); err != nil {
		return err
	}
	if r.conv == nil {
		r.conv = m.open(modelConv{
			team:         msg.Team,
			inbox:        msg.Inbox,
			participants: r.Participants,
			title:        msg.Title,
			baseSubject:  msg.BaseSubject,
		})
	}
	if msg.Accepted.After(r.conv.lastUsed) {
		r.conv.lastUsed = msg.Accepted
	}
	changed := r.Subject == spool.SubjectChanged && (r.joined < 0 || msg.BaseSubject != r.conv.baseSubject)
	r.line = (r.joined >= 0 || r.requested != 0) && (changed || r.Subject == spool.SubjectAlways)
	return nil
}

// open opens a conversation.
func (m *model) open(c modelConv) *modelConv {
	c.lane = m.newLane()
	m.convs = append(m.convs, &c)
	return &c
}

// enter queues a new request, and claims it where it can begin at once. A shadowed one has ended.
func (m *model) enter(r *modelRequest) {
	msg := r.message
	if msg.Shadow != nil {
		r.state, r.lane, r.ended = spool.Shadowed, r.conv.lane, msg.Accepted
		return
	}
	o := m.offers[msg.Team]
	next := o != nil && o.idle && len(r.conv.lane.open) == 0 && !msg.Smarthost
	m.queue(r)
	if next {
		m.claimNew(r, o)
	}
}

// addLinks has the keys of a request stand for its conversation. It reports whether another message owned one.
func (m *model) addLinks(r *modelRequest) (sameID bool) {
	for _, k := range r.Own {
		if l := m.link(k); l != nil && l.owner != nil && l.owner != r.message {
			sameID = true
		}
		m.links[k] = &modelLink{r.conv, r.message}
	}
	for _, k := range r.Cited {
		if m.link(k) == nil {
			m.links[k] = &modelLink{conv: r.conv}
		}
	}
	return sameID
}

// link is what a key stands for, nil for nothing. A forgotten conversation is nothing.
func (m *model) link(k spool.Key) *modelLink {
	l := m.links[k]
	if l != nil && l.conv.forgotten() {
		return nil
	}
	return l
}

func (c *modelConv) forgotten() bool { return c.participants == "forgotten" }

// shares reports whether r is for another recipient of the same audience as the request before it.
func (msg *modelMessage) shares(r *modelRequest) bool {
	n := len(msg.requests)
	return msg.Smarthost && n > 0 && msg.requests[n-1].Participants == r.Participants
}

// keys are the keys of files.
func keys(files []spool.File) (list []string) {
	for _, f := range files {
		list = append(list, f.Key)
	}
	return list
}

// repeated is the newest message that msg repeats.
func (m *model) repeated(msg *spool.Message) (newest *modelMessage) {
	if msg.DuplicateSince.IsZero() {
		return nil
	}
	for _, o := range m.messages {
		counts := o.Fingerprint == msg.Fingerprint && (!o.WeakFingerprint || !o.confirmed) &&
			!o.Accepted.Before(msg.DuplicateSince) && !o.forgotten
		if counts && (newest == nil || !o.Accepted.Before(newest.Accepted)) {
			newest = o
		}
	}
	return newest
}

// find finds the conversation of a request of msg, if there is one.
func (m *model) find(msg *spool.Message, r *modelRequest) error {
	same := func(c *modelConv) bool {
		return c.team == msg.Team && c.inbox == msg.Inbox && c.participants == r.Participants
	}
	if r.ConvoID != 0 {
		c, known := m.named(msg.Team, r.ConvoID)
		if c != nil && !same(c) {
			return spool.ErrConvo
		}
		r.conv = c
		if c != nil {
			r.joined = 0
		}
		if !known && !msg.Smarthost {
			r.requested, r.call = r.ConvoID, spool.CheckConversation
		}
		return nil
	}
	for j, k := range r.Lookup {
		if l := m.links[k]; l != nil && same(l.conv) {
			r.conv, r.joined = l.conv, j
			return nil
		}
	}
	return nil
}

// named is the conversation that a convo_id stands for, or that of the oldest
// request which waits to look at it.
func (m *model) named(team string, convo int64) (c *modelConv, known bool) {
	for _, c := range m.convs {
		if c.team == team && c.convo == convo {
			return c, true
		}
	}
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if r.conv.team == team && r.requested == convo && r.state.Open() && !r.conv.forgotten() {
				return r.conv, false
			}
		}
	}
	return nil, false
}

// foreign reports whether the conversation that was named is known for others.
func (m *model) foreign(r *modelRequest) bool {
	return r.requested != 0 && slices.ContainsFunc(m.convs, func(c *modelConv) bool {
		return c.team == r.conv.team && c.convo == r.requested && c.participants != r.conv.participants
	})
}
