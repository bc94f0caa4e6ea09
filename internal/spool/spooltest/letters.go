package spooltest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

func (r *run) since() time.Time {
	if r.rand.IntN(4) == 0 {
		return time.Time{}
	}
	return r.now.Add(-time.Duration(r.rand.IntN(600)) * time.Second)
}

// letter writes to few people and cites few ids, so that threads meet.
func (r *run) letter() *spool.Message {
	pick := func(list ...string) string { return list[r.rand.IntN(len(list))] }
	id := func() string { return fmt.Sprintf("id-%d", r.rand.IntN(40)) }
	l := letter{
		id:       id(),
		to:       []string{pick("alice", "bob", "carol")},
		body:     fmt.Sprint(r.n),
		weak:     r.rand.IntN(3) == 0,
		route:    pick("a", "b", "c"),
		team:     pick("shop", "shop", "bank"),
		inbox:    int64(r.rand.IntN(2) + 1),
		subject:  pick("One", "Two"),
		line:     spool.SubjectLine(r.rand.IntN(3)),
		priority: spool.Priority(r.rand.IntN(3)),
	}
	if r.rand.IntN(20) == 0 {
		l.key, l.body, l.weak = pick("k1", "k2"), pick("one", "two"), false
	}
	if r.rand.IntN(8) == 0 {
		r.name(&l)
	}
	l.auto = l.to[0] == "alice" && l.inbox == 1 && r.rand.IntN(2) == 0
	for range r.rand.IntN(4) {
		l.cites = append(l.cites, id())
	}
	for range r.rand.IntN(8) / 6 {
		l.blind = append(l.blind, pick("alice", "dave"))
	}
	if r.rand.IntN(4) == 0 {
		l.to = append(l.to, "erin")
	}
	m := r.write(l)
	if r.rand.IntN(10) == 0 {
		r.n--
		m = r.byMail(l)
	}
	m.DuplicateSince = r.since()
	if r.rand.IntN(4) == 0 { // the reply waits for the outcome
		m.ReportsAfter = r.now.Add(time.Duration(r.rand.IntN(60)) * time.Second)
	}
	r.attachments(m)
	if r.rand.IntN(10) == 0 {
		m.Shadow = &spool.Shadow{Reply: "250 Ok"}
	}
	if r.rand.IntN(20) == 0 && len(r.written) > 0 && !m.Smarthost { // a key of somebody else's
		other := r.written[r.rand.IntN(len(r.written))].Requests[0]
		m.Requests[0].Lookup = append(slices.Clone(other.Own), m.Requests[0].Lookup...)
		if m.Requests[0].ConvoID == 0 {
			m.Requests[0].LookupNames = append(make([]string, len(other.Own)), m.Requests[0].LookupNames...)
		}
	}
	return m
}

// name names a conversation: of the same people, of anybody, one that somebody waits
// to look at, or one that only the API may know by now.
func (r *run) name(l *letter) {
	l.convo = r.convos + 1 + r.rand.Int64N(2)
	all := r.model.convs
	if len(all) == 0 || r.rand.IntN(4) == 0 {
		return
	}
	c := all[len(all)-1-r.rand.IntN(min(20, len(all)))]
	if c.convo != 0 {
		l.convo = c.convo
	}
	for _, q := range c.lane.open {
		if q.requested != 0 {
			l.convo = q.requested
		}
	}
	if r.rand.IntN(3) > 0 {
		l.team, l.inbox = c.team, c.inbox
		l.to = strings.Fields(strings.ReplaceAll(c.participants, "@example.com", ""))
	}
}
