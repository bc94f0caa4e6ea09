package spooltest

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// modelNotice is a report or an event that has not been delivered.
type modelNotice struct {
	way      spool.Way
	happened time.Time
	due      time.Time
	tries    int
	about    *modelRequest // nil for none
	attempt  int           // of a report
	action   spool.Action
	until    time.Time
	event    []byte
	id       int64 // of the store; 0: it was not handed out yet
}

// notify adds the notices of an outcome.
func (m *model) notify(r *modelRequest, o *spool.Outcome) {
	if o.Event != nil {
		m.addEvent(r, o.Event)
	}
	if o.Report == "" {
		return
	}
	r.delayed = r.delayed || o.Report == spool.DelayedAction
	n := &modelNotice{
		way: spool.Mail, happened: m.now, due: m.now, about: r,
		attempt: len(r.tries), action: o.Report, until: o.Until,
	}
	if r.message.ReportsAfter.After(n.due) {
		n.due = r.message.ReportsAfter
	}
	m.notices = append(m.notices, n)
}

func (m *model) addEvent(about *modelRequest, event []byte) {
	n := &modelNotice{way: spool.Hook, happened: m.now, due: m.now, about: about, event: event}
	m.notices = append(m.notices, n)
}

// releaseReports is ReleaseReports.
func (m *model) releaseReports(now time.Time, msg *modelMessage) {
	for _, n := range m.notices {
		if n.way == spool.Mail && n.about.message == msg && n.due.Equal(msg.ReportsAfter) && n.due.After(now) {
			n.due = now
		}
	}
}

// silence deletes notices.
func (m *model) silence(which func(*modelNotice) bool) {
	m.notices = slices.DeleteFunc(m.notices, which)
}

// dueNotices are those that Notices takes, and when there may be more.
func (m *model) dueNotices(way spool.Way, limit int) (due []*modelNotice, next time.Time) {
	var all []*modelNotice
	for _, n := range m.notices {
		if n.way == way {
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b *modelNotice) int { return a.due.Compare(b.due) })
	var later waits
	for _, n := range all {
		if !n.due.After(m.now) && len(due) < limit {
			n.due = m.now.Add(lease)
			due = append(due, n)
		}
		later.until(n.due)
	}
	return due, later.next
}

// undelivered reports whether a notice of a message keeps it.
func (m *model) undelivered(msg *modelMessage, ways []spool.Way) bool {
	return slices.ContainsFunc(m.notices, func(n *modelNotice) bool {
		return n.about != nil && n.about.message == msg && slices.Contains(ways, n.way)
	})
}

// report is what a report says.
func (n *modelNotice) report() *spool.Report {
	r, msg := n.about, n.about.message
	try := r.tries[n.attempt-1]
	answer := try
	if try.Call == "check-conversation" && r.alive && r.refused != nil {
		answer = *r.refused
	}
	p := &spool.Report{
		Action:     n.action,
		QueueID:    msg.QueueID,
		LocalID:    r.LocalID,
		Accepted:   msg.Accepted,
		Sender:     msg.Sender,
		EnvelopeID: msg.EnvelopeID,
		Return:     msg.Return,
		Title:      msg.Title,
		Smarthost:  msg.Smarthost,
		Reason:     try.Reason,
		Status:     answer.Status,
		APIID:      answer.APIID,
		Tried:      try.Began,
		Until:      n.until,
		Unknown:    r.unknown,
	}
	if !msg.emptied {
		p.Raw = msg.Raw
	}
	for _, a := range slices.Concat(r.To, r.Cc) {
		p.Recipients = append(p.Recipients, spool.ReportRecipient{Address: a})
	}
	return p
}

// pending is what PendingNotices lists.
func (m *model) pending() (list []spool.PendingNotice) {
	all := slices.Clone(m.notices)
	slices.SortStableFunc(all, func(a, b *modelNotice) int { return a.due.Compare(b.due) })
	for _, n := range all {
		var e struct{ Type string }
		_ = json.Unmarshal(n.event, &e)
		p := spool.PendingNotice{
			Notice:   "event",
			Kind:     cmp.Or(string(n.action), e.Type),
			Happened: n.happened,
			Due:      n.due,
			Tries:    n.tries,
		}
		if n.way == spool.Mail {
			p.Notice = "report"
		}
		if n.about != nil {
			p.QueueID, p.Route, p.Sender = n.about.message.QueueID, n.about.route, n.about.message.Sender
		}
		list = append(list, p)
	}
	return list
}
