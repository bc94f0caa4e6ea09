package spooltest

import (
	"time"

	"heyrelay/internal/spool"
)

// finish is Finish, of one outcome.
func (m *model) finish(now time.Time, r *modelRequest, o spool.Outcome) (f spool.Finished) {
	if r.state != spool.Active || len(r.tries) != o.Task.Attempt {
		return spool.Finished{Err: spool.ErrLost}
	}
	try := &r.tries[len(r.tries)-1]
	try.Ended, try.Unknown, try.Status = now, o.Unknown, o.Status
	try.APIID, try.Reason = o.APIID, o.Reason
	r.state, r.due, r.answer = o.State, o.Due, o
	r.ended = now
	if o.ProvenAbsent {
		r.since = len(r.tries) + 1
	}
	if o.RouteRefused {
		r.blamed = now
	}
	r.unknown = r.unknown && !o.ProvenAbsent || o.Unknown
	r.alive = r.alive && !o.Refused || o.ConversationAlive
	r.call = o.NextCall
	if o.Refused {
		refusal := *try
		r.refused = &refusal
	}
	m.notify(r, &o)
	if o.State == spool.Deferred {
		m.prepareRetry(r, o)
		return f
	}
	if o.State != spool.Failed {
		f = m.adoptConvoID(r, o.ConvoID)
	}
	m.advance(r.lane)
	return f
}

// goOn prepares the next attempt.
func (m *model) prepareRetry(r *modelRequest, o spool.Outcome) {
	if o.Reopen {
		if r.conv.convo == r.replyTo {
			r.conv.convo = 0
		}
		r.LocalID, r.since = o.LocalID, len(r.tries)+1
		r.decided, r.requested = false, 0
		r.refused, r.alive = nil, false
		r.blamed = time.Time{}
	}
	switch {
	case r.aside():
	case o.Detach:
		m.advance(r.lane)
		r.lane = m.newLane()
		r.lane.open = append(r.lane.open, r)
	default:
		m.clearLane(r.lane)
	}
}

func (m *model) adoptConvoID(r *modelRequest, convo int64) (f spool.Finished) {
	if convo == 0 || convo == r.conv.convo || r.conv.forgotten() {
		return f
	}
	for _, c := range m.convs {
		if c.team == r.conv.team && c.convo == convo && c.participants != r.conv.participants {
			return spool.Finished{ConvoConflict: true}
		}
	}
	if r.replyTo == 0 && r.conv.convo != 0 {
		return f
	}
	f.Replaced, r.conv.convo = r.conv.convo, convo
	return f
}

// release is Release, of one task.
func (m *model) unclaim(r *modelRequest, t *spool.Task) {
	if r.state != spool.Active || len(r.tries) != t.Attempt {
		return
	}
	if len(r.tries) == r.trial && !r.unknown {
		r.decided = false
	}
	r.tries = r.tries[:len(r.tries)-1]
	r.state = spool.Ready
	m.disturb(r.team())
	m.clearLane(r.lane)
}
