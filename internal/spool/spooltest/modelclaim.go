package spooltest

import (
	"fmt"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// claim follows what the store claimed, step by step, and says where it departs
// from what it may do.
func (m *model) claim(now time.Time, rooms []spool.Capacity, tasks []*spool.Task, next time.Time) error {
	m.makeDueReady(now)
	m.offers = map[string]*modelOffer{}
	want := waits{}
	for _, room := range rooms {
		n, err := m.room(now, room, tasks, &want)
		if err != nil {
			return fmt.Errorf("task %d of team %s: %w", n, room.Team, err)
		}
		tasks = tasks[n:]
	}
	if len(tasks) > 0 {
		return fmt.Errorf("%s was claimed too many", tasks[0].LocalID)
	}
	for _, r := range m.heads() {
		if r.state == spool.Deferred || r.state == spool.Active {
			want.until(r.due)
		}
	}
	if !next.Equal(want.next) {
		return fmt.Errorf("next is %s, want %s", next, want.next)
	}
	return nil
}

func (m *model) gate(team string) *modelGate {
	g := m.budgets[team]
	if g == nil {
		g = &modelGate{}
		m.budgets[team] = g
	}
	return g
}

// waits is the earliest of some times.
type waits struct{ next time.Time }

func (w *waits) until(t time.Time) {
	if w.next.IsZero() || t.Before(w.next) {
		w.next = t
	}
}

// makeDueReady makes due heads ready.
func (m *model) makeDueReady(now time.Time) {
	m.makeReady(func(r *modelRequest) bool {
		return (r.state == spool.Deferred || r.state == spool.Active) && !r.due.After(now)
	})
}

// restart loses what is active: nobody knows whether it was sent.
func (m *model) restart() {
	m.offers = nil
	clear(m.served)
	m.makeReady(func(r *modelRequest) bool { return r.state == spool.Active })
}

// restoredReason is what an attempt says that stands for those after a backup.
const restoredReason = "restored from a backup: it may have been sent since"

// restore begins with a backup. What is open may have been sent since.
func (m *model) restore(backedUp, restored time.Time) {
	m.restart()
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if !r.state.Open() {
				continue
			}
			for _, at := range []time.Time{backedUp, restored} {
				r.tries = append(r.tries, spool.AttemptDetail{
					N: len(r.tries) + 1, Call: "send", Began: at, Ended: at, Unknown: true, Reason: restoredReason,
				})
			}
			r.unknown, r.trial = true, len(r.tries)+1
			r.refused, r.alive, r.blamed = nil, false, time.Time{}
		}
	}
	for _, a := range m.files.attached {
		a.alone = true
	}
}

// makeReady makes heads ready, as equals. Those that were active could not step aside before.
func (m *model) makeReady(which func(*modelRequest) bool) {
	m.clock++
	lost := map[*modelRequest]bool{}
	for _, r := range m.heads() {
		if !which(r) {
			continue
		}
		if r.state == spool.Active {
			lost[r] = true
		}
		r.unknown = r.unknown || r.state == spool.Active && r.call == spool.Send
		r.state, r.rank = spool.Ready, m.clock
	}
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if lost[r] {
				m.clearLane(r.lane)
			}
		}
	}
}

// room follows one team, and returns how many tasks were its.
func (m *model) room(now time.Time, room spool.Capacity, tasks []*spool.Task, want *waits) (n int, err error) {
	g := m.gate(room.Team)
	if m.holdOf(spool.Destination{Team: room.Team}).held && !room.TryHeld {
		return 0, nil
	}
	if until := g.throttle.Shut(now); !until.IsZero() {
		want.until(until)
		return 0, nil
	}
	rate := g.throttle.Pace(room.Rate, now)
	left := &modelOffer{}
	if room.Lasts {
		m.offers[room.Team] = left
	}
	defer func() { left.room = room }()
	for rate > 0 && room.Free+room.High > 0 {
		var later waits
		heads := m.ofClass(now, room, g.tick, &later)
		if len(heads) == 0 {
			if !later.next.IsZero() {
				want.until(later.next)
			}
			left.idle = room.Free > 0
			return n, nil
		}
		var ok bool
		g.next, ok = spool.Spend(rate, now, g.next)
		if !ok {
			left.opens = spool.Opens(g.next)
			want.until(left.opens)
			return n, nil
		}
		if n == len(tasks) {
			return n, fmt.Errorf("nothing was claimed where %s could be", heads[0].LocalID)
		}
		if err := m.begin(now, room, heads, tasks[n]); err != nil {
			return n, err
		}
		g.spend(&room, tasks[n].Call)
		n++
	}
	return n, nil
}

// spend reduces what a team may begin by one call. One that only High could have had is no turn of
// the other classes.
func (g *modelGate) spend(room *spool.Capacity, call spool.Call) {
	if call == spool.FindMessage {
		room.Searches--
	}
	if room.Free > 0 {
		room.Free--
		g.tick++
	} else {
		room.High--
	}
}

// ofClass are the heads of the class whose turn it is, its searches first; where a held
// team is tried, searches come after all else. later learns of the probes that are still
// to come.
func (m *model) ofClass(now time.Time, room spool.Capacity, tick int64, later *waits) []*modelRequest {
	for _, searches := range []string{"too", "alone"} {
		for _, class := range spool.ClassOrder(tick) {
			if room.Free <= 0 && class != spool.High {
				continue
			}
			if room.Searches > 0 && room.TryHeld == (searches == "alone") {
				if heads := m.ofStream(now, room, class, true, later); heads != nil {
					return heads
				}
			}
			if searches == "alone" {
				continue
			}
			if heads := m.ofStream(now, room, class, false, later); heads != nil {
				return heads
			}
		}
	}
	return nil
}

func (m *model) ofStream(
	now time.Time, room spool.Capacity, class spool.Priority, search bool, later *waits,
) (heads []*modelRequest) {
	for _, r := range m.heads() {
		if r.team() != room.Team || r.state != spool.Ready || r.class() != class ||
			(r.call == spool.FindMessage) != search {
			continue
		}
		over := m.over(r.place())
		switch h := over[1]; {
		case over[2].held:
		case !h.held || search && !h.Probe.IsZero():
			heads = append(heads, r)
		case room.Probe <= 0 || h.Probe.IsZero():
		case !h.Probe.After(now):
			heads = append(heads, r)
		default:
			later.until(h.Probe)
		}
	}
	return heads
}

// unrefused are the heads that a probe of a destination takes first: those of the
// most urgent class in which one was not refused yet.
func (m *model) unrefused(at spool.Destination) (heads []*modelRequest) {
	for class := spool.High; class <= spool.Bulk && heads == nil; class++ {
		for _, r := range m.heads() {
			if r.place() == at && r.state == spool.Ready && r.class() == class && r.call != spool.FindMessage &&
				r.blamed.IsZero() {
				heads = append(heads, r)
			}
		}
	}
	return heads
}

// begin follows the claim of one of heads, which are all of one stream.
func (m *model) begin(now time.Time, room spool.Capacity, heads []*modelRequest, t *spool.Task) error {
	places := map[spool.Destination]bool{}
	for _, h := range heads {
		places[h.place()] = true
	}
	at := spool.Destination{Team: t.Team, Route: t.Route, Inbox: t.Inbox}
	of := fmt.Sprint(heads[0].team(), heads[0].class(), heads[0].call == spool.FindMessage)
	if last, ok := m.served[of]; ok {
		if want := after(last, places); at != want {
			return fmt.Errorf("%s of %v was claimed where the turn is %v's", t.LocalID, at, want)
		}
	}
	m.served[of] = at
	if m.over(at)[1].held && t.Call != spool.FindMessage {
		if first := m.unrefused(at); first != nil {
			heads = first
		}
	}
	var r *modelRequest
	for _, h := range heads {
		if h.LocalID == t.LocalID {
			r = h
		}
	}
	if r == nil {
		return fmt.Errorf("%s was claimed, which is no ready head whose turn it is", t.LocalID)
	}
	for _, h := range heads {
		if h.place() == r.place() && h.rank < r.rank {
			return fmt.Errorf("%s was claimed before %s, which waits longer", t.LocalID, h.LocalID)
		}
	}
	over := m.over(r.place())
	var released time.Time
	for _, h := range over {
		if h.released.After(released) {
			released = h.released
		}
	}
	route := over[1]
	if t.Probe != (route.held && t.Call != spool.FindMessage) {
		return fmt.Errorf("%s: Probe is %v", t.LocalID, t.Probe)
	}
	if t.Probe {
		route.Probe = now.Add(room.Probe)
	}
	if route.held { // the time on hold does not count
		released = now
	}
	return r.begin(now, released, m.foreign(r), t)
}

func (r *modelRequest) begin(now, released time.Time, foreign bool, t *spool.Task) error {
	if !r.decided {
		r.decided, r.replyTo = true, r.conv.convo
		if r.requested != 0 {
			r.replyTo = r.requested
		}
	}
	sends := r.sends()
	r.tries = append(r.tries, spool.AttemptDetail{N: len(r.tries) + 1, Call: r.call.String(), Began: now})
	r.state, r.due = spool.Active, now.Add(lease)
	subject := ""
	if r.line {
		subject = r.message.Title
	}
	tried := r.tries[r.trial-1].Began
	if released.After(now) { // the clock was set back
		released = time.Time{}
	}
	if tried.After(now) && released.IsZero() {
		tried = now
	}
	if len(r.tries) > r.trial && (released.After(tried) || tried.After(now)) {
		tried = released
	}
	var refused spool.AttemptDetail
	if r.refused != nil {
		refused = *r.refused
	}
	restored := slices.ContainsFunc(r.tries[r.since-1:], func(a spool.AttemptDetail) bool {
		return a.Reason == restoredReason
	})
	want := fmt.Sprint(r.LocalID, len(r.tries), r.replyTo, r.unknown, subject, tried, r.message.HTML, r.To, r.Cc,
		r.Participants, r.call, sends, refused.Reason, refused.Status, refused.APIID, past(r.blamed, now), r.alive, r.aside(),
		r.requested != 0, foreign, r.delayed, restored)
	got := fmt.Sprint(t.LocalID, t.Attempt, t.ConvoID, t.Unknown, t.Subject, t.TrialSince, t.HTML, t.To, t.Cc,
		t.Participants, t.Call, t.Sends, t.Refused, t.RefusedStatus, t.RefusedAPIID, t.RouteRefusedAt,
		t.ConversationAlive, t.Detached,
		t.Named, t.ConvoConflict, t.Delayed, t.Restored)
	if got != want {
		return fmt.Errorf("the task is %s, want %s", got, want)
	}
	return nil
}

// past is a time, or zero where it is still to come.
func past(t, now time.Time) time.Time {
	if t.After(now) {
		return time.Time{}
	}
	return t
}

// sends are the begins of the sends under its local id without a definite answer.
func (r *modelRequest) sends() (all []time.Time) {
	for _, a := range r.tries[r.since-1:] {
		if a.Call == "send" && (a.Ended.IsZero() || a.Unknown) {
			all = append(all, a.Began)
		}
	}
	return all
}
