package delivery

import (
	"context"
	"errors"
	"fmt"
	"html"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// result is what one call came to. It is made by the call's goroutine and judged
// by the loop.
type result struct {
	task    spool.Task
	call    spool.Call // what was asked in the end
	sent    heymarket.Sent
	convo   heymarket.Conversation
	search  heymarket.Search
	problem *heymarket.Error // nil where the API answered as wished
	local   string           // why no call may be made: the request fails; "" where one was
}

// searchMargin is how far a search looks beyond the attempts, for clocks that
// differ, and how long after the last one it is believed: nobody documents how
// soon a message is listed.
const searchMargin = time.Minute

// searchable reports whether a search for a task's sends looks at the time in which
// they were made. After the clock was set back it does not.
func searchable(t spool.Task, now time.Time) bool {
	return !t.FirstSend.After(now) && !t.LastSend.After(now)
}

// forgotten reports whether the API may have forgotten a task's local_id, so that
// the same call could make a second message.
func (s *Scheduler) forgotten(t spool.Task) bool {
	now := s.o.Now()
	return !t.FirstSend.IsZero() && searchable(t, now) && now.Sub(t.FirstSend) > s.o.LocalIDMemory
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// call makes the one call that a task is.
func (s *Scheduler) call(ctx context.Context, t spool.Task) result {
	r := result{task: t, call: t.Call}
	if t.Call == spool.Send && t.Unknown && s.forgotten(t) {
		r.call = spool.FindMessage
	}
	if t.ConvoConflict {
		r.local = fmt.Sprintf("X-Heymarket-Convo-Id: conversation %d is known by now for other participants", t.ConvoID)
		return r
	}
	client := s.o.Teams[t.Team].Client
	var err error
	switch r.call {
	case spool.CheckConversation:
		r.convo, err = client.Conversation(ctx, t.ConvoID)
	case spool.FindMessage:
		from, until := earlier(t.FirstSend, t.LastSend), later(t.FirstSend, t.LastSend)
		r.search, err = client.FindMessage(ctx, t.LocalID, from.Add(-searchMargin), until.Add(s.o.Timeout+searchMargin), nil)
	default:
		route, _ := s.o.Route(t.Route) // see ours
		r.sent, err = client.Send(ctx, Email(t, route.Creator))
	}
	if err != nil && !errors.As(err, &r.problem) {
		r.problem = &heymarket.Error{Class: heymarket.Again, Unknown: true, Reason: err.Error(), Err: err}
	}
	return r
}

// Email is the call that a task stands for, made in the name of creator.
func Email(t spool.Task, creator int64) heymarket.Email {
	m := heymarket.Email{CreatorID: creator, Inbox: t.Inbox, Text: t.HTML, RawText: t.Text, LocalID: t.LocalID}
	if t.Subject != "" {
		m.Text = t.HTML[:t.SubjectOffset] + "<p>Subject: " + html.EscapeString(t.Subject) + "</p>\n" + t.HTML[t.SubjectOffset:]
		m.RawText = "Subject: " + t.Subject + "\n\n" + t.Text
	}
	if t.ConvoID != 0 {
		m.ConvoID = t.ConvoID
		return m
	}
	m.ConvTitle, m.Targets = t.Title, heymarket.Targets(t.To, t.Cc)
	return m
}
