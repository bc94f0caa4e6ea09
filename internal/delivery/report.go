package delivery

import (
	"slices"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// event is what happened to a request in an attempt.
func (s *Scheduler) event(o spool.Outcome) events.Event {
	t := o.Task
	now := s.o.Now()
	e := events.Event{
		Time:    now,
		QueueID: t.QueueID,
		LocalID: t.LocalID,
		Sender:  t.Sender,
		To:      heymarket.Targets(t.To, t.Cc),
		Route:   t.Route,
		Team:    t.Team,
		Title:   t.Title,
		Convo:   o.ConvoID,
		Message: o.MessageID,
		Attempt: t.Attempt,
		Status:  o.Status,
		APIID:   o.APIID,
		Reason:  o.Reason,
		Due:     o.Due,
	}
	if o.ConvoID == 0 {
		e.Convo = t.ConvoID
	}
	if o.ConversationAlive { // what happened to the request is the refusal, which the check confirmed
		e.Status, e.APIID = t.RefusedStatus, t.RefusedAPIID
	}
	e.Kind, e.Duration = kindOf(o, now)
	return e
}

// kindOf is the kind of event that an outcome is, and how long a message took that
// was sent.
func kindOf(o spool.Outcome, now time.Time) (events.Kind, time.Duration) {
	switch o.State {
	case spool.Sent:
		return events.Sent, now.Sub(o.Task.Accepted)
	case spool.Flagged:
		return events.Flagged, 0
	case spool.Failed:
		return events.Failed, 0
	}
	return events.Deferred, 0
}

// record reports the outcome of an attempt, once it is stored.
func (s *Scheduler) record(o spool.Outcome, f spool.Finished, steps []events.Step) {
	e := s.event(o)
	if f.Err != nil {
		e.Kind = events.Anomaly
		e.Reason = "this response arrived after the next attempt had begun, and was ignored"
		e.Err = f.Err
		s.o.Sink.Record(e)
		return
	}
	e.Steps = steps
	e.Report = o.Report != ""
	s.o.Sink.Record(e)
	e.Steps = nil
	e.Report = false
	if f.ConvoConflict {
		e.Kind = events.Anomaly
		e.Reason = "the returned convo_id belongs to other participants and is not used for replies"
		s.o.Sink.Record(e)
	}
	if f.Replaced != 0 {
		e.Kind = events.Anomaly
		e.Reason = "the response to a reply has a different convo_id, which replaces the known one"
		s.o.Sink.Record(e)
	}
}

// announce reports what happened to a team, and stores a notice of it.
func (s *Scheduler) announce(e events.Event) {
	if n := s.setup.Event(e); n != nil {
		if err := s.o.Store.AddEvent(s.ctx, e.Time, n); err != nil {
			s.logError("an event could not be stored for the webhook", err)
		}
	}
	s.o.Sink.Record(e)
}

// report is the report to the sender about an outcome, "" for none.
func (s *Scheduler) report(o spool.Outcome) spool.Action {
	t := o.Task
	switch {
	case !s.setup.Reports || !canReceive(t.Sender):
	case o.State == spool.Failed && wants(t, spool.NotifyFailure):
		return spool.FailedAction
	case o.State == spool.Sent && wants(t, spool.NotifySuccess):
		return spool.RelayedAction
	case o.State == spool.Deferred && wants(t, spool.NotifyDelay) && s.isLate(t):
		return spool.DelayedAction
	}
	return ""
}

// isLate reports whether the delay of a message is to be reported, and was not yet.
func (s *Scheduler) isLate(t *spool.Task) bool {
	return !t.Delayed && s.o.Now().Sub(t.Accepted) > s.setup.DelayAfter
}

// wants reports whether the client asked for a report of what about some recipient.
func wants(t *spool.Task, what string) bool {
	if t.DSN == nil {
		return spool.DSN{}.Wants(what)
	}
	return slices.ContainsFunc(t.DSN, func(d spool.DSN) bool { return d.Wants(what) })
}
