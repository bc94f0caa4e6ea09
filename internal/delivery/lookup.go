package delivery

import (
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// checked judges the state of a refused reply's conversation: if it is gone or
// moved, the content goes out once more as an opener; if not, the refusal is taken
// for what it was.
func (s *Scheduler) checked(r *result, o spool.Outcome) spool.Outcome {
	t := o.Task
	switch {
	case t.Unknown: // a new local_id could double it
		return s.callNext(o, spool.FindMessage)
	case t.RefusedStatus == 0:
		return s.requested(r, o)
	case r.problem != nil && r.problem.Class == heymarket.NotFound, r.problem == nil && r.convo.Inbox != t.Inbox:
		return s.reopen(o)
	case r.problem != nil:
		return s.checkAgain(o, r.problem.RetryAfter)
	}
	o.ConversationAlive = true
	o.Status = http.StatusOK
	o.Reason = t.Refused + " (its conversation exists)"
	switch {
	case t.RefusedStatus == http.StatusForbidden && r.convo.Blocked:
		o.Reason = t.Refused + " (the contact is blocked)"
		return s.failed(o)
	case t.RefusedStatus == http.StatusForbidden:
		return s.forbidden(o)
	case t.RefusedStatus == http.StatusBadRequest:
		return s.failed(o)
	}
	return s.retry(o, 0)
}

// reopen sends the content of a reply once more, as an opener.
func (s *Scheduler) reopen(o spool.Outcome) spool.Outcome {
	o.Reopen = true
	o.LocalID = s.o.NewLocalID()
	o.Reason = "its conversation is gone or in another inbox: sent once more as an opener"
	return s.callNext(o, spool.Send)
}

// checkAgain is retry for a conversation check.
func (s *Scheduler) checkAgain(o spool.Outcome, retryAfter time.Duration) spool.Outcome {
	return instead(s.retry(o, retryAfter), spool.CheckConversation)
}

// instead has another call made than a send, where the request was deferred and has not expired.
func instead(o spool.Outcome, call spool.Call) spool.Outcome {
	if o.State == spool.Deferred {
		o.NextCall = call
	}
	return o
}

// requested judges the state of a conversation that the application named, before
// anything is sent there.
func (s *Scheduler) requested(r *result, o spool.Outcome) spool.Outcome {
	t := o.Task
	wrong := ""
	switch {
	case r.problem != nil && r.problem.Class != heymarket.NotFound:
		return s.checkAgain(o, r.problem.RetryAfter)
	case r.problem != nil:
		wrong = "does not exist"
	case r.convo.Inbox != t.Inbox:
		wrong = fmt.Sprintf("is not in inbox %d", t.Inbox)
	case r.convo.Channel == "":
		o.Reason = "the API's response does not name the channel of the conversation"
		return s.checkAgain(o, 0)
	case r.convo.Channel != "email":
		wrong = fmt.Sprintf("is not an e-mail conversation: its channel is %q", r.convo.Channel)
	}
	if wrong == "" {
		o.Status = http.StatusOK
		o.Reason = "the conversation that the application named exists"
		return s.callNext(o, spool.Send)
	}
	o.Reason = fmt.Sprintf("X-Heymarket-Convo-Id: conversation %d %s", t.ConvoID, wrong)
	return instead(s.failed(o), spool.CheckConversation)
}
