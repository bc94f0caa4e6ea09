package spooltest

import (
	"fmt"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// model is the spool in maps and slices: what a store must do, as simply as it
// can be said. A lane is a slice; its first request is the head.
type model struct {
	messages []*modelMessage
	links    map[spool.Key]*modelLink
	convs    []*modelConv
	lanes    []*modelLane
	budgets  map[string]*modelGate
	holds    map[spool.Destination]*modelHold // those that were released, too
	served   map[string]spool.Destination     // by team and class: the place served last; forgotten at a restart
	clock    int                              // counts what makes heads ready
}

type modelMessage struct {
	*spool.Message
	requests  []*modelRequest
	confirmed bool
}

type modelLink struct {
	conv  *modelConv
	owner *modelMessage // nil where the key is only cited
}

type modelConv struct {
	team         string
	inbox        int64
	participants string
	baseSubject  string
	convo        int64
	lane         *modelLane
}

// modelLane holds open requests; the first is the head.
type modelLane struct{ open []*modelRequest }

type modelRequest struct {
	*spool.Request
	message   *modelMessage
	route     string
	hold      string // reason of its own hold, "" for none
	conv      *modelConv
	lane      *modelLane // its conversation's, or its own where it stepped aside
	joined    int
	line      bool        // its bodies begin with its subject
	state     spool.State // of a head, or final; behind a head it is Queued
	rank      int         // when it became ready
	due       time.Time
	trial     int // the attempt that began the present trial
	since     int // the first attempt under its local id, or after a proof that it sent nothing
	call      spool.Call
	refused   *spool.AttemptDetail // nil for none
	alive     bool
	blamed    time.Time // the newest refusal that its route may be to blame for
	decided   bool      // whether it opens or replies
	replyTo   int64
	requested int64 // convo_id that was named and not known
	unknown   bool
	answer    spool.Outcome // the last one
	tries     []spool.AttemptDetail
}

type modelGate struct {
	next time.Time
	tick int64
}

func newModel() *model {
	return &model{
		links:   map[spool.Key]*modelLink{},
		budgets: map[string]*modelGate{},
		holds:   map[spool.Destination]*modelHold{},
		served:  map[string]spool.Destination{},
	}
}

// heads are the first ones of all lanes.
func (m *model) heads() (heads []*modelRequest) {
	for _, l := range m.lanes {
		if len(l.open) > 0 {
			heads = append(heads, l.open[0])
		}
	}
	return heads
}

// place is where it waits.
func (r *modelRequest) place() spool.Destination {
	return spool.Destination{Team: r.conv.team, Route: r.route, Inbox: r.conv.inbox}
}

func (r *modelRequest) aside() bool { return r.lane != r.conv.lane }

// class is the highest that waits in its lane, itself included.
func (r *modelRequest) class() spool.Priority {
	class := r.Priority
	for _, o := range r.lane.open {
		class = min(class, o.Priority)
	}
	return class
}

// failed are the messages of which something failed.
func (m *model) failed() (list []*modelMessage) {
	for _, msg := range m.messages {
		for _, r := range msg.requests {
			if r.state == spool.Failed {
				list = append(list, msg)
				break
			}
		}
	}
	return list
}

func (m *model) revive(msg *modelMessage) (n int) {
	for _, r := range msg.requests {
		if r.state == spool.Failed || r.state == spool.Dropped {
			r.newTrial()
			m.queue(r)
			n++
		}
	}
	return n
}

// newTrial forgets what was decided and refused.
func (r *modelRequest) newTrial() {
	r.trial, r.hold = len(r.tries)+1, ""
	r.decided = r.decided && r.unknown
	r.call, r.refused, r.alive = spool.Send, nil, false
	r.blamed = time.Time{}
	if r.requested != 0 && !r.unknown {
		r.call = spool.CheckConversation
	}
}

func (m *model) newLane() *modelLane {
	l := &modelLane{}
	m.lanes = append(m.lanes, l)
	return l
}

// queue puts a request at the end of its conversation's lane.
func (m *model) queue(r *modelRequest) {
	r.state, r.lane = spool.Queued, r.conv.lane
	r.lane.open = append(r.lane.open, r)
	if len(r.lane.open) == 1 {
		m.ready(r)
	}
	m.clearLane(r.lane)
}

// advance takes the head out of a lane, which goes on.
func (m *model) advance(l *modelLane) {
	m.next(l)
	m.clearLane(l)
}

func (m *model) next(l *modelLane) {
	l.open = l.open[1:]
	if len(l.open) == 0 {
		return
	}
	m.ready(l.open[0])
	if l.open[0].hold != "" {
		l.open[0].state = spool.Held
	}
}

// clearLane has heads of a held destination leave a lane in which others are queued.
func (m *model) clearLane(l *modelLane) {
	for len(l.open) > 0 && l.open[0].conv.lane == l && l.open[0].state != spool.Active && m.blocks(l) {
		head := l.open[0]
		m.next(l)
		head.lane = m.newLane()
		head.lane.open = append(head.lane.open, head)
	}
}

// blocks reports whether the head of a lane blocks others, and is to step aside.
func (m *model) blocks(l *modelLane) bool {
	at := l.open[0].place()
	over := m.over(at)
	aside := over[1].held && over[1].aside || over[2].held && over[2].aside
	return aside && slices.ContainsFunc(l.open[1:], func(r *modelRequest) bool { return r.place() != at })
}

func (m *model) ready(r *modelRequest) {
	m.clock++
	r.state, r.rank = spool.Ready, m.clock
}

// claim follows what the store claimed, step by step, and says where it departs
// from what it may do.
func (m *model) claim(now time.Time, rooms []spool.Capacity, tasks []spool.Task, next time.Time) error {
	m.makeDueReady(now)
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

// waits is the earliest of some times.
type waits struct{ next time.Time }

func (w *waits) until(t time.Time) {
	if w.next.IsZero() || t.Before(w.next) {
		w.next = t
	}
}

// makeDueReady makes due heads ready. Those of one claim are equals.
func (m *model) makeDueReady(now time.Time) {
	m.clock++
	for _, r := range m.heads() {
		if r.state != spool.Deferred && r.state != spool.Active || r.due.After(now) {
			continue
		}
		r.unknown = r.unknown || r.state == spool.Active && r.call == spool.Send
		r.state, r.rank = spool.Ready, m.clock
	}
}

// room follows one team, and returns how many tasks were its.
func (m *model) room(now time.Time, room spool.Capacity, tasks []spool.Task, want *waits) (n int, err error) {
	g := m.budgets[room.Team]
	if g == nil {
		g = &modelGate{}
		m.budgets[room.Team] = g
	}
	if m.holdOf(spool.Destination{Team: room.Team}).held && !room.TryHeld {
		return 0, nil
	}
	for room.Rate > 0 && room.Free+room.High > 0 {
		var later waits
		heads := m.ofClass(now, room, g.tick, &later)
		if len(heads) == 0 {
			if !later.next.IsZero() {
				want.until(later.next)
			}
			return n, nil
		}
		var ok bool
		g.next, ok = spool.Spend(room.Rate, now, g.next)
		if !ok {
			want.until(spool.Opens(g.next))
			return n, nil
		}
		if n == len(tasks) {
			return n, fmt.Errorf("nothing was claimed where %s could be", heads[0].LocalID)
		}
		if err := m.begin(now, room, heads, tasks[n]); err != nil {
			return n, err
		}
		if tasks[n].Call == spool.FindMessage {
			room.Searches--
		}
		n++
		if room.Free > 0 {
			room.Free--
			g.tick++
		} else {
			room.High--
		}
	}
	return n, nil
}

// ofClass are the heads of the class whose turn it is, its searches first. later
// learns of the probes that are still to come.
func (m *model) ofClass(now time.Time, room spool.Capacity, tick int64, later *waits) (heads []*modelRequest) {
	for _, class := range spool.ClassOrder(tick) {
		if room.Free <= 0 && class != spool.High {
			continue
		}
		for _, search := range []bool{true, false} {
			if search && room.Searches <= 0 {
				continue
			}
			heads = m.ofStream(now, room, class, search, later)
			if heads != nil {
				return heads
			}
		}
	}
	return nil
}

func (m *model) ofStream(
	now time.Time,
	room spool.Capacity,
	class spool.Priority,
	search bool,
	later *waits,
) (heads []*modelRequest) {
	for _, r := range m.heads() {
		if r.conv.team != room.Team || r.state != spool.Ready || r.class() != class ||
			(r.call == spool.FindMessage) != search {
			continue
		}
		over := m.over(r.place())
		switch h := over[1]; {
		case over[2].held:
		case !h.held:
			heads = append(heads, r)
		case search || room.Probe <= 0 || h.Probe.IsZero():
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
func (m *model) begin(now time.Time, room spool.Capacity, heads []*modelRequest, t spool.Task) error {
	places := map[spool.Destination]bool{}
	for _, h := range heads {
		places[h.place()] = true
	}
	at := spool.Destination{Team: t.Team, Route: t.Route, Inbox: t.Inbox}
	of := fmt.Sprint(heads[0].conv.team, heads[0].class(), heads[0].call == spool.FindMessage)
	if last, ok := m.served[of]; ok {
		if want := after(last, places); at != want {
			return fmt.Errorf("%s of %v was claimed where the turn is %v's", t.LocalID, at, want)
		}
	}
	m.served[of] = at
	if m.over(at)[1].held {
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
	if t.Probe != route.held {
		return fmt.Errorf("%s: Probe is %v", t.LocalID, t.Probe)
	}
	if t.Probe {
		released, route.Probe = now, now.Add(room.Probe)
	}
	return r.begin(now, released, m.foreign(r), t)
}

func (r *modelRequest) begin(now, released time.Time, foreign bool, t spool.Task) error {
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
	if len(r.tries) > r.trial && (released.After(tried) || tried.After(now)) || t.Probe {
		tried = released
	}
	var refused spool.AttemptDetail
	if r.refused != nil {
		refused = *r.refused
	}
	want := fmt.Sprint(r.LocalID, len(r.tries), r.replyTo, r.unknown, subject, tried, r.message.HTML, r.To, r.Cc,
		r.call, sends, refused.Reason, refused.Status, past(r.blamed, now), r.alive, r.aside(), foreign)
	got := fmt.Sprint(t.LocalID, t.Attempt, t.ConvoID, t.Unknown, t.Subject, t.TrialSince, t.HTML, t.To, t.Cc,
		t.Call, t.Sends, t.Refused, t.RefusedStatus, t.RouteRefusedAt, t.ConversationAlive, t.Detached, t.ConvoConflict)
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

// finish is Finish, of one outcome.
func (m *model) finish(now time.Time, r *modelRequest, o spool.Outcome) (f spool.Finished) {
	if r.state != spool.Active || len(r.tries) != o.Task.Attempt {
		return spool.Finished{Err: spool.ErrLost}
	}
	try := &r.tries[len(r.tries)-1]
	try.Ended, try.Unknown, try.Status = now, o.Unknown, o.Status
	try.APIID, try.Reason = o.APIID, o.Reason
	r.state, r.due, r.answer = o.State, o.Due, o
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
	if convo == 0 || convo == r.conv.convo {
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
func (m *model) unclaim(r *modelRequest, t spool.Task) {
	if r.state != spool.Active || len(r.tries) != t.Attempt {
		return
	}
	if len(r.tries) == r.trial && !r.unknown {
		r.decided = false
	}
	r.tries = r.tries[:len(r.tries)-1]
	r.state = spool.Ready
}
