package delivery

import (
	"context"
	"errors"
	"html"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// call makes the one call that a task is and says how it ended.
func (s *Scheduler) call(ctx context.Context, t spool.Task) spool.Outcome {
	creator, known := s.o.Creator(t.Route)
	if !known {
		return s.again(t, 0, spool.Outcome{Reason: "route " + t.Route + " is not in the configuration any more: add it again"})
	}
	sent, err := s.o.Teams[t.Team].Client.Send(ctx, Email(t, creator))
	if err != nil {
		return s.failed(t, err)
	}
	o := spool.Outcome{
		Task: t, State: spool.Sent, Status: sent.Status,
		ConvoID: sent.ConvoID, MessageID: sent.ID, APIID: sent.RequestID,
	}
	if !sent.Queued {
		o.State, o.Reason = spool.Flagged, "the API took it but says that it did not queue it: "+sent.Compliance
	}
	return o
}

// failed says what an error of the API means for the request: for good only
// where the API says that this message can never be sent, and where it surely
// was not sent by an earlier attempt. Everything else is temporary.
func (s *Scheduler) failed(t spool.Task, err error) spool.Outcome {
	var e *heymarket.Error
	if !errors.As(err, &e) {
		return s.again(t, 0, spool.Outcome{Unknown: true, Reason: err.Error()})
	}
	o := spool.Outcome{Task: t, Status: e.Status, APIID: e.RequestID, Unknown: e.Unknown, Reason: e.Error()}
	if e.Class == heymarket.Invalid && !t.Unknown {
		o.State = spool.Failed
		return o
	}
	return s.again(t, e.RetryAfter, o)
}

// again puts the request to sleep until its next attempt, or ends it where its
// time under trial is over.
func (s *Scheduler) again(t spool.Task, retryAfter time.Duration, o spool.Outcome) spool.Outcome {
	o.Task = t
	now := s.o.Now()
	if tried := now.Sub(t.Tried); tried > s.o.Expire {
		o.State = spool.Failed
		o.Reason = "given up after " + tried.Round(time.Second).String() + "; last: " + o.Reason
		return o
	}
	o.State = spool.Asleep
	o.Due = now.Add(max(s.backOff(t.Attempt), min(retryAfter, s.o.RetryMax)))
	return o
}

// backOff doubles from RetryInitial to RetryMax and takes off up to half of it,
// so that what failed together does not come again together.
func (s *Scheduler) backOff(attempt int) time.Duration {
	d := s.o.RetryMax
	if n := attempt - 1; n < 32 {
		d = min(d, s.o.RetryInitial<<n)
	}
	return d - time.Duration(s.o.Jitter()*float64(d/2))
}

// Email is the call that a task stands for, made in the name of creator.
func Email(t spool.Task, creator int64) heymarket.Email {
	m := heymarket.Email{CreatorID: creator, Inbox: t.Inbox, Text: t.HTML, RawText: t.Text, LocalID: t.LocalID}
	if t.Subject != "" {
		m.Text = t.HTML[:t.Start] + "<p>Subject: " + html.EscapeString(t.Subject) + "</p>\n" + t.HTML[t.Start:]
		m.RawText = "Subject: " + t.Subject + "\n\n" + t.Text
	}
	if t.ConvoID != 0 {
		m.ConvoID = t.ConvoID
		return m
	}
	m.ConvTitle, m.Targets = t.Title, Targets(t)
	return m
}

// Targets are a task's recipients as the API writes them, one address each.
func Targets(t spool.Task) []string {
	targets := make([]string, 0, len(t.To)+len(t.Cc))
	for _, a := range t.To {
		targets = append(targets, "to:"+a)
	}
	for _, a := range t.Cc {
		targets = append(targets, "cc:"+a)
	}
	return targets
}
