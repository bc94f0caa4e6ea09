package delivery

import (
	"slices"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// event is what happened to a request in an attempt.
func (s *Scheduler) event(o spool.Outcome) events.Event {
	t, now := o.Task, s.o.Now()
	e := events.Event{
		Time: now, QueueID: t.QueueID, LocalID: t.LocalID, Sender: t.Sender, To: heymarket.Targets(t.To, t.Cc), Route: t.Route, Team: t.Team, Title: t.Title,
		Convo: o.ConvoID, Message: o.MessageID, Attempt: t.Attempt, Status: o.Status, APIID: o.APIID, Reason: o.Reason, Due: o.Due,
	}
	if o.ConvoID == 0 {
		e.Convo = t.ConvoID
	}
	switch o.State {
	case spool.Sent:
		e.Kind, e.Duration = events.Sent, now.Sub(t.Accepted)
	case spool.Flagged:
		e.Kind = events.Flagged
	case spool.Failed:
		e.Kind = events.Failed
	default:
		e.Kind = events.Deferred
	}
	return e
}

// tell says once what became of an attempt.
func (s *Scheduler) tell(o spool.Outcome, f spool.Finished) {
	e := s.event(o)
	if f.Err != nil {
		e.Kind, e.Reason, e.Err = events.Anomaly, "another attempt had begun before this answer came, which changed nothing", f.Err
		s.o.Sink.Record(e)
		return
	}
	s.o.Sink.Record(e)
	if f.ConvoConflict {
		e.Kind, e.Reason = events.Anomaly, "the answered convo_id is one of other participants, it is not used for replies"
		s.o.Sink.Record(e)
	}
	if f.Replaced != 0 {
		e.Kind, e.Reason = events.Anomaly, "the answer to a reply has another convo_id, which replaces ours"
		s.o.Sink.Record(e)
	}
}

// announce says what happened to a team, and makes a notice of it.
func (s *Scheduler) announce(e events.Event) {
	if n := s.o.Event(e); n != nil {
		if err := s.o.Store.AddEvent(s.ctx, e.Time, n); err != nil {
			s.trouble("an event could not be stored for the webhook", err)
		}
	}
	s.o.Sink.Record(e)
}

// report is what the sender is to be told of an outcome, "" for nothing. Nobody
// is told where there is no sender: that is a report itself (RFC 5321, section
// 4.5.5).
func (s *Scheduler) report(o spool.Outcome) spool.Action {
	t := o.Task
	switch {
	case !s.o.Reports || !canReceive(t.Sender):
	case o.State == spool.Failed && wants(t, spool.NotifyFailure):
		return spool.FailedAction
	case o.State == spool.Sent && wants(t, spool.NotifySuccess):
		return spool.RelayedAction
	case o.State == spool.Deferred && wants(t, spool.NotifyDelay) && !t.Delayed && s.o.Now().Sub(t.Accepted) > s.o.DelayAfter:
		return spool.DelayedAction
	}
	return ""
}

// wants reports whether the sender is to be told of what for some recipient of a task.
func wants(t spool.Task, what string) bool {
	if t.DSN == nil {
		return spool.DSN{}.Wants(what)
	}
	return slices.ContainsFunc(t.DSN, func(d spool.DSN) bool { return d.Wants(what) })
}
