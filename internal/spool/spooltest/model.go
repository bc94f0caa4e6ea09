package spooltest

import (
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
	now      time.Time                        // of the operation under way
	offers   map[string]*modelOffer           // by team
	claimed  []*modelRequest                  // that the present operation accepts and claims
	files    modelFiles
	notices  []*modelNotice            // in the order of their numbers
	gone     map[string]map[string]int // requests of deleted messages, by route and state
}

type modelMessage struct {
	spool.Message
	requests  []*modelRequest
	confirmed bool
	forgotten bool
	emptied   bool // without its content
}

type modelLink struct {
	conv  *modelConv
	owner *modelMessage // nil where the key is only cited
}

type modelConv struct {
	team         string
	inbox        int64
	participants string
	title        string
	baseSubject  string
	convo        int64
	lane         *modelLane
	lastUsed     time.Time
	movedFrom    *modelConv // whose requests an operator moved to it; nil for none
}

// modelLane holds open requests; the first is the head.
type modelLane struct{ open []*modelRequest }

type modelRequest struct {
	spool.Request
	message   *modelMessage
	forgotten bool
	delayed   bool      // its delay was reported
	ended     time.Time // where it is not open
	route     string
	hold      string // reason of its own hold, "" for none
	conv      *modelConv
	lane      *modelLane // its conversation's, or its own where it stepped aside
	joined    int
	shared    bool        // of its message, another recipient of the same audience comes before it
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
	next     time.Time
	tick     int64
	throttle spool.Throttle
}

func newModel() *model {
	return &model{
		links:   map[spool.Key]*modelLink{},
		budgets: map[string]*modelGate{},
		holds:   map[spool.Destination]*modelHold{},
		served:  map[string]spool.Destination{},
		files:   modelFiles{garbage: map[string]bool{}},
		gone:    map[string]map[string]int{},
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
	return spool.Destination{Team: r.team(), Route: r.route, Inbox: r.conv.inbox}
}

// team is whose budget it takes: its conversation's, or the smarthost's.
func (r *modelRequest) team() string {
	if r.message.Smarthost {
		return spool.SmarthostTeam(r.route)
	}
	return r.conv.team
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
		if (r.state == spool.Failed || r.state == spool.Dropped) && !r.forgotten {
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
	r.refused, r.alive = nil, false
	r.blamed = time.Time{}
	looks := r.requested != 0 && (!r.unknown || r.call == spool.CheckConversation)
	r.call = spool.Send
	if looks {
		r.call = spool.CheckConversation
	}
}

func (m *model) newLane() *modelLane {
	l := &modelLane{}
	m.lanes = append(m.lanes, l)
	return l
}

// queue puts a request at the end of its conversation's lane, or in one of its own if a smarthost takes it.
func (m *model) queue(r *modelRequest) {
	m.silence(func(n *modelNotice) bool { return n.about == r && n.action == spool.FailedAction })
	r.state, r.lane = spool.Queued, r.conv.lane
	if r.message.Smarthost {
		r.lane = m.newLane()
	}
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
	if l.open[0].hold != "" {
		l.open[0].state = spool.Held
		return
	}
	m.ready(l.open[0])
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
	m.disturb(r.team())
}
