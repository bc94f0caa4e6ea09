package spooltest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// modelHold is a hold, or what is left of it.
type modelHold struct {
	spool.Hold
	held     bool
	aside    bool // heads step aside
	released time.Time
}

// holdOf is what stands or stood of a gate.
func (m *model) holdOf(at spool.Destination) *modelHold {
	h := m.holds[at]
	if h == nil {
		h = &modelHold{Hold: spool.Hold{Team: at.Team, Route: at.Route, Inbox: at.Inbox}}
		m.holds[at] = h
	}
	return h
}

// over are the holds that concern a place, of the team, the route and the inbox.
func (m *model) over(at spool.Destination) [3]*modelHold {
	return [3]*modelHold{
		m.holdOf(spool.Destination{Team: at.Team}),
		m.holdOf(spool.Destination{Team: at.Team, Route: at.Route}),
		m.holdOf(at),
	}
}

// beginHold is Hold, and HoldDestination.
func (m *model) beginHold(now time.Time, g spool.Hold) {
	h := m.holdOf(g.Destination())
	if h.held && h.Operator && !g.Operator {
		return
	}
	g.Since = now
	if h.held && h.Operator == g.Operator {
		g.Since = h.Since
	}
	h.Hold, h.held = g, true
}

// endHold is Release, and ReleaseDestination.
func (m *model) endHold(now time.Time, at spool.Destination, operator bool) (made int) {
	h := m.holdOf(at)
	if !h.held || h.Operator && !operator {
		return 0
	}
	h.held, h.aside = false, false
	h.released = now
	return m.makeDue(at)
}

// clockChanged is ClockChanged.
func (m *model) clockChanged(team string) (made int) {
	m.holdOf(spool.Destination{Team: team}).released = m.now
	for at, h := range m.holds {
		if at.Team == team {
			h.released, h.Probe = earlier(h.released, m.now), earlier(h.Probe, m.now)
		}
	}
	g := m.gate(team)
	g.throttle.Began, g.throttle.Until = time.Time{}, time.Time{}
	for _, r := range m.heads() {
		if r.state == spool.Active {
			r.due = m.now.Add(lease)
		}
	}
	return m.makeDue(spool.Destination{Team: team})
}

// stepAside is StepAside.
func (m *model) stepAside(at spool.Destination) {
	h := m.holdOf(at)
	if !h.held {
		return
	}
	h.aside = true
	for _, d := range m.destinations() {
		if d.Team != at.Team || d.Route != at.Route || at.Inbox != 0 && d.Inbox != at.Inbox {
			continue
		}
		for _, r := range m.headsAt(d) {
			m.clearLane(r.lane)
		}
	}
}

// inFront are the active heads behind which requests of other destinations are queued.
func (m *model) inFront() (heads []*modelRequest) {
	for _, r := range m.heads() {
		elsewhere := func(o *modelRequest) bool { return o.place() != r.place() }
		if r.state == spool.Active && slices.ContainsFunc(r.lane.open, elsewhere) {
			heads = append(heads, r)
		}
	}
	return heads
}

// headsAt are the heads of a destination, in the order accepted.
func (m *model) headsAt(d spool.Destination) (all []*modelRequest) {
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if r.state.Open() && r.lane.open[0] == r && r.place() == d {
				all = append(all, r)
			}
		}
	}
	return all
}

// makeDue makes deferred requests of a destination ready, in the order accepted.
func (m *model) makeDue(at spool.Destination) (made int) {
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			p := r.place()
			if r.state == spool.Deferred && p.Team == at.Team && (at.Route == "" || p.Route == at.Route) &&
				(at.Inbox == 0 || p.Inbox == at.Inbox) {
				m.ready(r)
				made++
			}
		}
	}
	return made
}

// waiting is Waiting.
func (m *model) destinations() (places []spool.Destination) {
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if r.state.Open() {
				places = append(places, r.place())
			}
		}
	}
	slices.SortFunc(places, comparePlaces)
	return slices.Compact(places)
}

func comparePlaces(a, b spool.Destination) int {
	return cmp.Or(cmp.Compare(a.Team, b.Team), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Inbox, b.Inbox))
}

// after is the place whose turn it is after last.
func after(last spool.Destination, places map[spool.Destination]bool) spool.Destination {
	sorted := slices.SortedFunc(maps.Keys(places), comparePlaces)
	for _, p := range sorted {
		if comparePlaces(p, last) > 0 {
			return p
		}
	}
	return sorted[0]
}

// each does one of the operator's verbs to requests, in the order accepted.
func (m *model) each(list []*modelRequest, do func(*modelRequest) bool) (n spool.Moved) {
	busy := map[*modelRequest]bool{}
	for _, r := range list {
		busy[r] = r.state == spool.Active
	}
	for _, r := range list {
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
	for _, r := range list {
		m.stand(&n, r)
	}
	return n
}

// stand counts where a request stands after a verb.
func (m *model) stand(n *spool.Moved, r *modelRequest) {
	switch state, h := m.shown(r); {
	case h != nil:
		n.Kept = spool.AddKept(n.Kept, *h, 1)
	case state == spool.Ready:
		n.Due++
	case state == spool.Queued:
		n.Behind++
	case state == spool.Deferred:
		n.Deferred++
	}
}

// shown is the state that people see, and what keeps a request back.
func (m *model) shown(r *modelRequest) (spool.State, *spool.Hold) {
	if !r.state.Open() || r.state == spool.Active {
		return r.state, nil
	}
	if r.hold != "" {
		return spool.Held, &spool.Hold{Reason: r.hold, Operator: r.hold != spool.LoopReason}
	}
	for _, h := range m.over(r.place()) {
		if h.held {
			return spool.Held, &h.Hold
		}
	}
	return r.state, nil
}

// stats is Stats.
func (m *model) stats() (list []spool.RouteStats) {
	all := map[string]map[string]int{}
	for route, states := range m.gone {
		all[route] = maps.Clone(states)
	}
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			m.count(all, r)
		}
	}
	for _, route := range slices.Sorted(maps.Keys(all)) {
		s := spool.RouteStats{Route: route, States: all[route]}
		for _, n := range s.States {
			s.Accepted += n
		}
		list = append(list, s)
	}
	return list
}

// count adds a request to what its route has in its state.
func (m *model) count(all map[string]map[string]int, r *modelRequest) {
	if all[r.route] == nil {
		all[r.route] = map[string]int{}
	}
	state, _ := m.shown(r)
	all[r.route][state.String()]++
}

// kept is Kept, by destination and number.
func (m *model) kept() map[spool.Destination]int {
	all := map[spool.Destination]int{}
	for at, h := range m.holds {
		if h.held {
			all[at] = 0
		}
	}
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if _, h := m.shown(r); h != nil {
				all[h.Destination()]++
			}
		}
	}
	return all
}

// leave takes a request out of its lane.
func (m *model) leave(r *modelRequest) {
	if r.lane.open[0] == r {
		m.advance(r.lane)
	} else {
		i := slices.Index(r.lane.open, r)
		r.lane.open = slices.Delete(r.lane.open, i, i+1)
	}
	r.state, r.hold = spool.Dropped, ""
	r.ended = m.now
}

func (m *model) drop(r *modelRequest) bool {
	if !r.state.Open() {
		return false
	}
	m.leave(r)
	return true
}

// keep is Hold, of one request.
func (m *model) holdRequest(r *modelRequest, why string) bool {
	if !r.state.Open() {
		return false
	}
	r.hold = why
	if r.state != spool.Queued {
		r.state = spool.Held
	}
	return true
}

// stopLoop holds the lane of a newcomer that is one automatic reply too many.
func (m *model) stopLoop(r *modelRequest) bool {
	n := 1
	ways := []string{r.message.Team, spool.SmarthostTeam(r.message.Route)}
	for _, msg := range m.messages {
		near := msg.AutoReplied && msg.Shadow == nil && msg.Accepted.Sub(r.message.Accepted).Abs() <= spool.LoopSpan
		for _, o := range msg.requests {
			same := slices.Contains(ways, o.team()) && o.conv.inbox == r.conv.inbox && o.Participants == r.Participants
			if near && same && !o.shared {
				n++
			}
		}
	}
	for _, o := range r.message.requests { // those before it
		if o.Participants == r.Participants && !r.shared {
			n++
		}
	}
	if n <= spool.LoopLimit {
		return false
	}
	if r.lane.open[0].state == spool.Held {
		m.holdRequest(r, spool.LoopReason)
		return false
	}
	for _, o := range r.lane.open {
		if o.state != spool.Active && o.hold == "" {
			m.holdRequest(o, spool.LoopReason)
		}
	}
	return true
}

// letGo is Release, of one request.
func (m *model) releaseRequest(r *modelRequest) bool {
	if r.hold == "" {
		return false
	}
	r.hold = ""
	if r.state != spool.Queued {
		r.newTrial()
		m.ready(r)
	}
	return true
}

// retry is Retry, of one request.
func (m *model) retry(r *modelRequest, o spool.RetryOptions) bool {
	to := spool.Destination{Team: o.Team, Route: o.Route, Inbox: o.Inbox}
	if r.message.Smarthost {
		to.Team = spool.SmarthostTeam(o.Route)
	}
	move := o.Route != "" && r.place() != to
	switch {
	case r.forgotten || r.message.emptied:
		return false
	case r.state == spool.Sent, r.state == spool.Shadowed, r.state == spool.Flagged && !o.Anew:
		return false
	case (r.state == spool.Queued || r.state == spool.Ready) && !move && r.hold == "":
		return false
	case r.state == spool.Deferred && !move && !o.Anew:
		m.ready(r)
		return true
	}
	if r.state.Open() {
		m.leave(r)
	}
	rescope := move && (r.team() != to.Team || r.conv.inbox != to.Inbox)
	if move {
		r.route = o.Route
	}
	if rescope {
		former := r.conv
		r.conv = m.movedTo(former, o)
		if r.conv == nil {
			r.conv = m.openAs(former, o)
			r.joined, r.line = -1, false
		}
		r.decided, r.requested = false, 0
	}
	if o.Anew {
		r.LocalID, r.since = o.NewLocalID(), len(r.tries)+1
		r.unknown, r.decided = false, false
	}
	r.newTrial()
	m.queue(r)
	return true
}

// movedTo is where requests of a conversation were moved before, nil for nowhere.
func (m *model) movedTo(former *modelConv, o spool.RetryOptions) *modelConv {
	for _, c := range m.convs {
		if c.movedFrom == former && c.team == o.Team && c.inbox == o.Inbox && c.participants == former.participants {
			return c
		}
	}
	return nil
}

// openAs opens a conversation with the same people in another scope.
func (m *model) openAs(c *modelConv, o spool.RetryOptions) *modelConv {
	return m.open(modelConv{
		team:         o.Team,
		inbox:        o.Inbox,
		participants: c.participants,
		title:        c.title,
		baseSubject:  c.baseSubject,
		lastUsed:     m.now,
		movedFrom:    c,
	})
}
