package delivery

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// conclude judges a result, and takes into account what it says about its team and
// its route.
func (s *Scheduler) conclude(r *result) (o spool.Outcome) {
	defer func() {
		if v := recover(); v != nil {
			s.logError("an outcome could not be evaluated: the request fails", fmt.Errorf("panic: %v", v))
			o = plainFailure(spool.Outcome{Task: r.task}, fmt.Errorf("panic: %v", v))
		}
	}()
	s.steps[r.task.Request] = r.steps
	s.checkClock()
	s.noteAnswer(r)
	o = s.judge(r)
	s.noteRoute(r, o)
	o.Report = s.report(o)
	if o.Report == spool.RelayedAction && r.mail.reports {
		o.Report = "" // the smarthost will say more (RFC 3461, section 5.2.2)
	}
	if o.Report == spool.DelayedAction {
		o.Until = o.Task.TrialSince.Add(s.setup.expire(o.Task.Route))
	}
	o.Event = s.setup.Event(s.event(o))
	return o
}

// judge decides what the answer to a call means for its request. What concerns the
// credentials or the address of the API comes before the kind of call.
func (s *Scheduler) judge(r *result) spool.Outcome {
	o := spool.Outcome{Task: r.task, APIID: r.requestID()}
	switch {
	case r.panicked != "":
		return s.panicked(r, o)
	case r.noCall != "":
		if r.task.Unreadable != nil {
			s.logError("message "+r.task.QueueID+" is damaged and fails: check the disk; others are not affected",
				r.task.Unreadable)
		}
		o.State, o.Reason = spool.Failed, r.noCall
		return o
	}
	if r.problem != nil {
		o.Status = r.problem.Status
		o.Reason = r.reason()
		o.Unknown = r.problem.Unknown && r.task.Call == spool.Send
	}
	switch {
	case r.byMail():
		return s.mailed(r, o)
	case r.isDenied() && !s.isDeniedAlone(r.task):
		return s.denied(o)
	case r.task.Call == spool.CheckConversation:
		return s.checked(r, o)
	case r.task.Call == spool.FindMessage:
		return s.searched(r, o)
	case r.problem != nil:
		return s.refused(r.problem, o)
	}
	return s.accepted(r, o)
}

// panicked fails a request whose call, or whose reading, panicked: it would panic
// again at each attempt.
func (s *Scheduler) panicked(r *result, o spool.Outcome) spool.Outcome {
	s.logError("a bug in heyrelay made this request fail: "+r.task.LocalID+"; please report it with these lines",
		fmt.Errorf("panic: %s", r.panicked))
	o.State = spool.Failed
	o.Unknown = r.noCall == "" && r.task.Call == spool.Send
	o.Reason = r.noCall
	if o.Reason == "" {
		o.Reason = "heyrelay panicked in the call: " + firstLine(r.panicked)
	}
	return o
}

// accepted ends a request that the API accepted.
func (s *Scheduler) accepted(r *result, o spool.Outcome) spool.Outcome {
	a := r.sent
	o.State = spool.Sent
	o.Status = a.Status
	o.ConvoID = a.ConvoID
	o.MessageID = a.ID
	var reasons []string
	if !a.Queued {
		reasons = append(reasons, "the API accepted it, but did not queue it")
	}
	if a.Compliance != "" {
		reasons = append(reasons, "compliance_results "+a.Compliance)
	}
	o.Reason = strings.Join(reasons, ": ")
	if a.Queued {
		return o
	}
	o.State = spool.Flagged
	if r.setup.Teams[o.Task.Team].FailUnqueued {
		o.State = spool.Failed // of a probe, too: it must not be sent again
	}
	return o
}

// refused judges a send that failed. Where an earlier attempt may have been carried
// out, no refusal proves that the message is absent: it is searched for first. Where
// a reply is refused, its conversation may be gone: that is checked first. Only then
// is the answer taken for what it is.
func (s *Scheduler) refused(e *heymarket.Error, o spool.Outcome) spool.Outcome {
	t := o.Task
	definite := e.Class == heymarket.Invalid || e.Class == heymarket.Forbidden || e.Class == heymarket.NotFound
	switch {
	case e.Class == heymarket.Conflict: // the API knows this local_id
		o.Unknown = true
		o.Refused = true
		return s.callNext(o, spool.FindMessage)
	case definite && t.Unknown:
		return s.callNext(o, spool.FindMessage)
	case t.ConvoID != 0 && !t.ConversationAlive && conversationMayBeGone(e):
		o.Refused = true
		return s.callNext(o, spool.CheckConversation)
	case e.Class == heymarket.Forbidden:
		return s.forbidden(o)
	case e.Class == heymarket.Invalid:
		return s.failed(o)
	}
	return s.retry(o, e.RetryAfter)
}

// conversationMayBeGone reports whether a reply into a conversation that is gone or
// moved may be answered like this.
func conversationMayBeGone(e *heymarket.Error) bool {
	return e.Class == heymarket.Forbidden || e.Class == heymarket.NotFound ||
		e.Class == heymarket.Invalid && e.Status == http.StatusBadRequest
}

// callNext makes another call at once.
func (s *Scheduler) callNext(o spool.Outcome, call spool.Call) spool.Outcome {
	o.State = spool.Deferred
	o.Due = s.o.Now()
	o.NextCall = call
	return o
}

// failed ends a request, unless it is the probe of a held route: then the route is
// taken to be at fault, and other requests probe it first.
func (s *Scheduler) failed(o spool.Outcome) spool.Outcome {
	if !o.Task.Probe {
		o.State = spool.Failed
		return o
	}
	o.RouteRefused = true
	return s.callNext(o, spool.Send)
}

// retry defers the request to its next attempt, or fails it where its time under
// trial is over.
func (s *Scheduler) retry(o spool.Outcome, retryAfter time.Duration) spool.Outcome {
	now := s.o.Now()
	asked := now.Add(min(retryAfter, s.setup.RetryMax))
	due := now.Add(s.backOff(o.Task.Attempt))
	if breaker := s.holds.breaker(o.Task.Team); breaker != nil {
		due = earlier(due, breaker.pause.until) // it may be the next to try the API
	}
	return s.deferTo(o, later(due, asked))
}

// deferTo defers the request until due and no earlier than its team is shut, or
// fails it where its time under trial is over. A head that keeps failing while its
// team sends others leaves its lane.
func (s *Scheduler) deferTo(o spool.Outcome, due time.Time) spool.Outcome {
	t := o.Task
	now := s.o.Now()
	tried := s.tried(t)
	if tried > s.setup.expire(t.Route) {
		o.Reason = "expired after " + tried.Round(time.Second).String() + "; last: " + o.Reason
		o.NextCall = spool.Send
		return s.failed(o)
	}
	team := s.team(t.Team)
	o.State = spool.Deferred
	o.Due = earlier(later(due, team.throttle.Shut(now)), now.Add(MaxWait(s.setup.RetryMax)))
	o.Detach = !t.Detached && tried > s.setup.LanePatience && team.lastSent.After(t.TrialSince)
	return o
}

// tried is how long a task has been under trial. It may have been claimed before the
// clock was set.
func (s *Scheduler) tried(t *spool.Task) time.Duration {
	return s.o.Now().Sub(later(t.TrialSince, s.clockSet))
}

// backOff doubles from RetryInitial to RetryMax and takes off up to half of it,
// so that what failed together does not come again together.
func (s *Scheduler) backOff(attempt int) time.Duration {
	d := s.setup.RetryInitial
	for n := 1; n < attempt && d < s.setup.RetryMax; n++ {
		d *= 2
	}
	d = min(d, s.setup.RetryMax)
	return d - time.Duration(s.o.Jitter()*float64(d/2))
}
