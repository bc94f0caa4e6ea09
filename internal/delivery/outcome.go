package delivery

import (
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// judge says what the answer to a call means for its request.
func (s *Scheduler) judge(r result) spool.Outcome {
	o := spool.Outcome{Task: r.task}
	if r.local != "" {
		o.Reason = r.local
		return s.failed(o)
	}
	if r.problem != nil {
		o.Status, o.APIID, o.Reason = r.problem.Status, r.problem.RequestID, r.problem.Error()
	}
	switch r.call {
	case spool.CheckConversation:
		return s.looked(r, o)
	case spool.FindMessage:
		return s.searched(r, o)
	}
	if r.problem != nil {
		o.Unknown = r.problem.Unknown
		return s.refused(r.problem, o)
	}
	return s.sent(r.sent, o)
}

// sent ends a request that the API took.
func (s *Scheduler) sent(a heymarket.Sent, o spool.Outcome) spool.Outcome {
	o.State, o.Status, o.ConvoID, o.MessageID, o.APIID = spool.Sent, a.Status, a.ConvoID, a.ID, a.RequestID
	if a.Queued {
		return o
	}
	o.State, o.Reason = spool.Flagged, "the API took it but says that it did not queue it: "+a.Compliance
	if s.o.Teams[o.Task.Team].FailUnqueued {
		o.State = spool.Failed // of a probe, too: the API must not be asked again
	}
	return o
}

// refused says what a send that failed means. Where an earlier attempt may have
// been carried out, no refusal proves that the message is not there: it is looked
// for first. Where a reply is refused, its conversation may be gone: that is
// looked at first. Only then is the answer taken for what it is.
func (s *Scheduler) refused(e *heymarket.Error, o spool.Outcome) spool.Outcome {
	t := o.Task
	definite := e.Class == heymarket.Invalid || e.Class == heymarket.Forbidden || e.Class == heymarket.NotFound
	switch {
	case e.Class == heymarket.Conflict: // something goes by this local_id
		o.Unknown = true
		return s.next(o, spool.FindMessage)
	case definite && t.Unknown:
		return s.next(o, spool.FindMessage)
	case t.ConvoID != 0 && !t.ConversationAlive && conversationMayBeGone(e):
		o.Refused = true
		return s.next(o, spool.CheckConversation)
	case e.Class == heymarket.Forbidden:
		return s.forbidden(o)
	case e.Class == heymarket.Invalid:
		return s.failed(o)
	case e.Class == heymarket.Denied, e.Class == heymarket.Redirect:
		return s.denied(o)
	}
	return s.again(o, e.RetryAfter)
}

// conversationMayBeGone reports whether this is how a reply into a conversation
// that is gone or moved may be answered.
func conversationMayBeGone(e *heymarket.Error) bool {
	return e.Class == heymarket.Forbidden || e.Class == heymarket.NotFound || e.Class == heymarket.Invalid && e.Status == http.StatusBadRequest
}

// looked says what the state of a refused reply's conversation means: gone or
// moved, the content goes out once more as an opener; alive, the refusal is taken
// for what it was.
func (s *Scheduler) looked(r result, o spool.Outcome) spool.Outcome {
	t := o.Task
	switch {
	case t.Unknown: // a new local_id could double it
		return s.next(o, spool.FindMessage)
	case t.RefusedStatus == 0:
		return s.named(r, o)
	case r.problem != nil && r.problem.Class == heymarket.NotFound, r.problem == nil && r.convo.Inbox != t.Inbox:
		o.State, o.Due, o.NextCall, o.Reopen, o.LocalID = spool.Deferred, s.o.Now(), spool.Send, true, s.o.NewLocalID()
		o.Reason = "its conversation is gone or in another inbox: sent once more as an opener"
		return o
	case r.problem != nil:
		return s.lookAgain(o, r.problem.RetryAfter)
	}
	o.ConversationAlive, o.APIID, o.Status, o.Reason = true, r.convo.RequestID, t.RefusedStatus, t.Refused
	switch {
	case t.RefusedStatus == http.StatusForbidden && r.convo.Blocked:
		o.Reason += " (the contact is blocked)"
		return s.failed(o)
	case t.RefusedStatus == http.StatusForbidden:
		return s.forbidden(o)
	case t.RefusedStatus == http.StatusBadRequest:
		return s.failed(o)
	}
	return s.again(o, 0)
}

// named says what the state of a conversation that the application named means,
// before anything is sent there.
func (s *Scheduler) named(r result, o spool.Outcome) spool.Outcome {
	t := o.Task
	wrong := ""
	switch {
	case r.problem != nil && r.problem.Class != heymarket.NotFound:
		return s.lookAgain(o, r.problem.RetryAfter)
	case r.problem != nil:
		wrong = "does not exist"
	case r.convo.Inbox != t.Inbox:
		wrong = fmt.Sprintf("is in another inbox than %d", t.Inbox)
	case r.convo.Channel != "email":
		wrong = fmt.Sprintf("is none of e-mail: its channel is %q", r.convo.Channel)
	}
	if wrong == "" {
		o.APIID, o.Status, o.Reason = r.convo.RequestID, http.StatusOK, "the conversation that its application named is there"
		return s.next(o, spool.Send)
	}
	o.Reason = fmt.Sprintf("X-Heymarket-Convo-Id: conversation %d %s", t.ConvoID, wrong)
	if o = s.failed(o); o.State == spool.Deferred {
		o.NextCall = spool.CheckConversation
	}
	return o
}

// searched says what a look for the message in the team's history means. Absence
// is believed only of a complete search, and not too soon.
func (s *Scheduler) searched(r result, o spool.Outcome) spool.Outcome {
	t, now := o.Task, s.o.Now()
	switch {
	case r.search.Found:
		o.State, o.ConvoID, o.MessageID, o.Status, o.Reason = spool.Sent, r.search.Message.ConvoID, r.search.Message.ID, 0, "found by its local_id"
		return o
	case !r.search.Complete:
		return s.unsettled(r, o)
	}
	if !searchable(t, now) {
		o.Reason = "the clock was set back since it was sent: it was searched for in another time, which proves nothing"
		return s.again(o, 0)
	}
	if listed := later(t.LastSend, s.jumped).Add(searchMargin); listed.After(now) {
		o.Reason = "not found by its local_id yet"
		o.State, o.Due, o.NextCall = spool.Deferred, listed, spool.FindMessage
		return o
	}
	o.ProvenAbsent, o.Reason = true, "not found by its local_id: it was not sent"
	if o = s.again(o, 0); o.State == spool.Deferred {
		o.Due = now // it has waited long enough
	}
	return o
}

// unsettled is what follows a search that failed or did not come to its end: the
// send itself, under its local_id, for that may settle it; another search where the
// API may have forgotten the local_id.
func (s *Scheduler) unsettled(r result, o spool.Outcome) spool.Outcome {
	retryAfter := time.Duration(0)
	if r.problem != nil {
		retryAfter = r.problem.RetryAfter
	} else {
		o.Reason = "the team's history could not be searched to the end"
	}
	if o = s.again(o, retryAfter); o.State == spool.Deferred && s.forgotten(o.Task) {
		o.NextCall = spool.FindMessage
	}
	return o
}

// lookAgain is again for a look.
func (s *Scheduler) lookAgain(o spool.Outcome, retryAfter time.Duration) spool.Outcome {
	if o = s.again(o, retryAfter); o.State == spool.Deferred {
		o.NextCall = spool.CheckConversation
	}
	return o
}

// next asks something else at once.
func (s *Scheduler) next(o spool.Outcome, call spool.Call) spool.Outcome {
	o.State, o.Due, o.NextCall = spool.Deferred, s.o.Now(), call
	return o
}

// failed ends a request for good, unless it is the probe of a held route: then
// it is believed that the route is to blame, and another goes first next time.
func (s *Scheduler) failed(o spool.Outcome) spool.Outcome {
	if o.Task.Probe {
		o.State, o.Due = spool.Deferred, s.o.Now()
		return o
	}
	o.State = spool.Failed
	return o
}

// again puts the request to sleep until its next attempt, or ends it where its
// time under trial is over. A head that keeps failing while its team delivers
// others steps aside.
func (s *Scheduler) again(o spool.Outcome, retryAfter time.Duration) spool.Outcome {
	t, now := o.Task, s.o.Now()
	tried := now.Sub(later(t.TrialSince, s.jumped)) // it may have been claimed before the clock was set
	if tried > s.o.Expire {
		o.Reason = "given up after " + tried.Round(time.Second).String() + "; last: " + o.Reason
		return s.failed(o)
	}
	o.State = spool.Deferred
	o.Due = now.Add(max(s.backOff(t.Attempt), min(retryAfter, s.o.RetryMax)))
	if g := s.guard(t.Team); g.breaker.on() && g.breaker.until.Before(o.Due) {
		o.Due = g.breaker.until // it may be the next that tries the API
	}
	o.Detach = !t.Detached && tried > s.o.LanePatience && s.guard(t.Team).lastSent.After(t.TrialSince)
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
