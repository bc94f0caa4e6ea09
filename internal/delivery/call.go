package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"runtime/debug"
	"strings"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// result is what one call came to. It is made by the call's goroutine and judged by
// the loop.
type result struct {
	setup    *Setup // with which the call began
	task     *spool.Task
	steps    []events.Step // claim and call
	began    time.Time
	sent     heymarket.Sent
	convo    heymarket.Conversation
	search   heymarket.Search
	progress *progress        // of the search; before the call, that of the attempt before, or nil
	advanced bool             // the search has seen what no attempt before it had seen
	mail     mail             // of a smarthost
	problem  *heymarket.Error // nil where the API answered as documented, or a smarthost accepted the message
	noCall   string           // why no call may be made: the request fails; "" where one was made
	panicked string           // what the call panicked with, and its stack; "" where it did not
}

// reason is why a call failed, for people.
func (r *result) reason() string {
	if r.byMail() {
		return r.problem.Reason
	}
	return r.problem.Error()
}

// requestID is the X-Request-Id of the response.
func (r *result) requestID() string {
	if r.problem != nil {
		return r.problem.RequestID
	}
	return cmp.Or(r.sent.RequestID, r.convo.RequestID, r.search.RequestID)
}

// isDenied reports whether the credentials were refused, or the address is not the API's.
func (r *result) isDenied() bool {
	return r.problem != nil && (r.problem.Class == heymarket.Denied || r.problem.Class == heymarket.Redirect)
}

// byMail reports whether the call was a transaction with a smarthost.
func (r *result) byMail() bool {
	_, ok := spool.SmarthostRoute(r.task.Team)
	return ok
}

// call makes the one call of r's task. It ends within callLimit, or mailLimit. A panic fails its
// request alone.
func (s *Scheduler) call(ctx context.Context, r *result, claim events.Step) {
	limit := r.setup.callLimit()
	server := r.setup.Teams[r.task.Team].Server
	if server != nil {
		limit = mailLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.began = s.o.Now()
	defer func() {
		r.steps = append(make([]events.Step, 0, 3), // with room for that of the finish
			claim, events.Step{Name: "call", Start: r.began, End: s.o.Now()})
		if v := recover(); v != nil {
			r.panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	r.checkTask()
	switch {
	case r.noCall != "":
	case server != nil:
		s.mail(ctx, server, r)
	default:
		s.callAPI(ctx, r)
	}
}

// checkTask sets noCall where no call may be made.
func (r *result) checkTask() {
	t := r.task
	switch {
	case t.Unreadable != nil:
		r.noCall = "it could not be read from the spool: " + firstLine(t.Unreadable.Error())
		if errors.Is(t.Unreadable, spool.ErrPanic) {
			r.panicked = t.Unreadable.Error()
		}
	case t.ConvoConflict:
		r.noCall = fmt.Sprintf("X-Heymarket-Convo-Id: conversation %d has other participants by now", t.ConvoID)
	}
}

// callAPI makes the one call of r's task to the API.
func (s *Scheduler) callAPI(ctx context.Context, r *result) {
	t := r.task
	client := r.setup.Teams[t.Team].Client
	var err error
	switch t.Call {
	case spool.CheckConversation:
		r.convo, err = client.Conversation(ctx, t.ConvoID)
	case spool.FindMessage:
		err = s.find(ctx, r)
	default:
		r.sent, err = client.Send(ctx, Email(t, r.setup.Routes[t.Route].Creator))
	}
	if err != nil && !errors.As(err, &r.problem) {
		r.problem = &heymarket.Error{Class: heymarket.Again, Unknown: true, Reason: err.Error(), Err: err}
	}
}

// reserve takes one call from a team's budget and waits until it may begin, or
// returns an error where that is after the end of ctx.
func (s *Scheduler) reserve(ctx context.Context, setup *Setup, team string) error {
	now := s.o.Now()
	begin, err := s.o.Store.Reserve(ctx, now, team, setup.Teams[team].Rate)
	if err != nil {
		return err
	}
	wait := begin.Sub(now)
	if end, ok := ctx.Deadline(); ok && wait > time.Until(end) {
		return context.DeadlineExceeded
	}
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopping:
		return context.Canceled
	}
}

// Email is the API call for a task, made in the name of creator.
func Email(t *spool.Task, creator int64) heymarket.Email {
	m := heymarket.Email{
		CreatorID: creator,
		Inbox:     t.Inbox,
		Text:      t.HTML,
		RawText:   t.Text,
		LocalID:   t.LocalID,
	}
	if t.Subject != "" {
		subject := html.EscapeString(t.Subject)
		m.Text = t.HTML[:t.SubjectOffset] + "<p>Subject: " + subject + "</p>\n" + t.HTML[t.SubjectOffset:]
		m.RawText = "Subject: " + t.Subject + "\n\n" + t.Text
	}
	if t.ConvoID != 0 {
		m.ConvoID = t.ConvoID
		return m
	}
	m.ConvTitle = t.Title
	m.Targets = heymarket.Targets(t.To, t.Cc)
	return m
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
