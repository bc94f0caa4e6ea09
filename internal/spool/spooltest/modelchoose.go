package spooltest

import (
	"slices"
	"strings"

	"heyrelay/internal/spool"
)

// choose returns the requests that a filter chooses, in the order accepted.
func (m *model) choose(f spool.Filter) (list []*modelRequest) {
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if m.chooses(f, r) {
				list = append(list, r)
			}
		}
	}
	return list
}

// chooses reports whether a filter chooses a request.
func (m *model) chooses(f spool.Filter, r *modelRequest) bool {
	state, _ := m.shown(r)
	isTo := func(address string) bool { return strings.EqualFold(address, f.Recipient) }
	id := strings.Trim(f.MessageID, "<>")
	return (f.QueueIDs == nil || slices.Contains(f.QueueIDs, r.message.QueueID)) &&
		(f.States == nil || slices.Contains(f.States, state)) &&
		(f.Route == "" || f.Route == r.route) &&
		(f.Team == "" || f.Team == r.team()) &&
		(f.Recipient == "" || slices.ContainsFunc(slices.Concat(r.To, r.Cc), isTo)) &&
		(f.MessageID == "" || slices.Contains(r.message.MessageIDs, id)) &&
		(f.LocalID == "" || strings.EqualFold(f.LocalID, r.LocalID)) &&
		(f.ConvoID == 0 || f.ConvoID == r.convo()) &&
		!r.message.Accepted.Before(f.Since) &&
		(f.Before.IsZero() || r.message.Accepted.Before(f.Before)) &&
		strings.Contains(strings.ToLower(r.message.Title), strings.ToLower(f.Subject))
}

// convo is the convo_id that people see: as answered, or of its conversation.
func (r *modelRequest) convo() int64 {
	if r.answer.ConvoID != 0 {
		return r.answer.ConvoID
	}
	return r.conv.convo
}
