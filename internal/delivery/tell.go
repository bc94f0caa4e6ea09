package delivery

import (
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// tell says once what became of an attempt.
func (s *Scheduler) tell(o spool.Outcome, f spool.Finished) {
	t, now := o.Task, s.o.Now()
	e := events.Event{
		Time: now, QueueID: t.QueueID, LocalID: t.LocalID, Sender: t.Sender, To: Targets(t), Route: t.Route, Team: t.Team, Title: t.Title,
		Convo: o.ConvoID, Message: o.MessageID, Attempt: t.Attempt, Status: o.Status, APIID: o.APIID, Reason: o.Reason, Due: o.Due,
	}
	if o.ConvoID == 0 {
		e.Convo = t.ConvoID
	}
	if f.Err != nil {
		e.Kind, e.Reason, e.Err = events.Surprised, "another attempt had begun before this answer came, which changed nothing", f.Err
		s.o.Sink.Record(e)
		return
	}
	switch o.State {
	case spool.Sent:
		e.Kind, e.Took = events.Sent, now.Sub(t.Accepted)
	case spool.Flagged:
		e.Kind = events.Flagged
	case spool.Failed:
		e.Kind = events.Failed
	default:
		e.Kind = events.Deferred
	}
	s.o.Sink.Record(e)
	if f.Foreign {
		e.Kind, e.Reason = events.Surprised, "the answered convo_id is one of other participants, it is not used for replies"
		s.o.Sink.Record(e)
	}
	if f.Replaced != 0 {
		e.Kind, e.Reason = events.Surprised, "the answer to a reply has another convo_id, which replaces ours"
		s.o.Sink.Record(e)
	}
}
