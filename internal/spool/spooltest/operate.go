package spooltest

import (
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// modelHold is a hold, or what is left of it.
type modelHold struct {
	spool.Gate
	held   bool
	lifted time.Time
}

// hold is what stands or stood of a gate.
func (m *model) hold(team, route string) *modelHold {
	h := m.holds[[2]string{team, route}]
	if h == nil {
		h = &modelHold{Gate: spool.Gate{Team: team, Route: route}}
		m.holds[[2]string{team, route}] = h
	}
	return h
}

// shut is Hold.
func (m *model) shut(now time.Time, g spool.Gate) {
	h := m.hold(g.Team, g.Route)
	if g.Since = now; h.held {
		g.Since = h.Since
	}
	h.Gate, h.held = g, true
}

// lift is Lift.
func (m *model) lift(now time.Time, team, route string) (woken int) {
	h := m.hold(team, route)
	if !h.held {
		return 0
	}
	h.held, h.lifted = false, now
	return m.rouse(team, route)
}

// rouse makes ready what sleeps of a team or route, in the order accepted.
func (m *model) rouse(team, route string) (woken int) {
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if r.state == spool.Asleep && r.conv.team == team && (route == "" || r.route == route) {
				m.ready(r)
				woken++
			}
		}
	}
	return woken
}

// each does one of the operator's verbs to the requests of a message.
func (m *model) each(msg *modelMessage, do func(*modelRequest) bool) (n spool.Moved) {
	busy := map[*modelRequest]bool{}
	for _, r := range msg.requests {
		busy[r] = r.state == spool.Claimed
	}
	for _, r := range msg.requests {
		if busy[r] {
			n.Busy++
			continue
		}
		unknown := r.unknown
		if do(r) {
			n.Requests++
			if unknown {
				n.MaybeSent++
			}
		}
	}
	return n
}

// held is a message of which something is kept back.
func (m *model) held() *modelMessage {
	for _, msg := range m.messages {
		if slices.ContainsFunc(msg.requests, func(r *modelRequest) bool { return r.hold }) {
			return msg
		}
	}
	return nil
}

// leave takes a request out of its lane.
func (m *model) leave(r *modelRequest) {
	if r.lane.open[0] == r {
		m.advance(r.lane)
	} else {
		i := slices.Index(r.lane.open, r)
		r.lane.open = slices.Delete(r.lane.open, i, i+1)
	}
	r.state, r.hold = spool.Dropped, false
}

func (m *model) drop(r *modelRequest) bool {
	if !r.state.Open() {
		return false
	}
	m.leave(r)
	return true
}

// keep is Hold, of one request.
func (m *model) keep(r *modelRequest) bool {
	if !r.state.Open() {
		return false
	}
	if r.hold = true; r.state != spool.Queued {
		r.state = spool.Held
	}
	return true
}

// letGo is Release, of one request.
func (m *model) letGo(r *modelRequest) bool {
	if !r.hold {
		return false
	}
	if r.hold = false; r.state != spool.Queued {
		r.newTrial()
		m.ready(r)
	}
	return true
}

func (m *model) retry(r *modelRequest, o spool.RetryOptions) bool {
	move := o.Route != "" && o.Route != r.route
	switch {
	case r.state == spool.Sent, r.state == spool.Flagged && !o.Anew:
		return false
	case (r.state == spool.Queued || r.state == spool.Ready) && !move:
		return false
	case r.state == spool.Asleep && !move && !o.Anew:
		m.ready(r)
		return true
	}
	if r.state.Open() {
		m.leave(r)
	}
	if move {
		r.route = o.Route
	}
	if move && (r.conv.team != o.Team || r.conv.inbox != o.Inbox) {
		r.conv = &modelConv{team: o.Team, inbox: o.Inbox, members: r.conv.members, base: r.conv.base, lane: m.newLane()}
		m.convs = append(m.convs, r.conv)
		r.joined, r.line, r.decided, r.wanted = -1, false, false, 0
	}
	if o.Anew {
		r.Request.LocalID, r.named = o.NewLocalID(), len(r.tries)+1
		r.unknown, r.decided = false, false
	}
	r.newTrial()
	m.queue(r)
	return true
}
