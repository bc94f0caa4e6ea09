package delivery

import (
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

const (
	failuresInARow = 10               // different messages of a route that failed: the route is held
	otherDenied    = 3                // conversations tried beside one that was answered 403
	parked         = 30 * time.Second // the first pause of a request that was answered 403, while others are tried
)

// route is what the loop knows of a route.
type route struct {
	failures distinct  // messages that failed since one was sent
	refused  distinct  // participants of conversations that were answered 403 since a message was sent
	lastSent time.Time // when that was
}

// distinct counts different things.
type distinct map[string]struct{}

// add returns how many there are with this one.
func (d *distinct) add(what string) int {
	if *d == nil {
		*d = distinct{}
	}
	(*d)[what] = struct{}{}
	return len(*d)
}

// forbidden judges a 403. Where a message of its route was sent since it was refused
// before, the refusal is its own. Else it is parked while other conversations are
// tried: that several are refused, and none is sent, is the fault of the route,
// which is held. What was refused before a hold still counts after it.
func (s *Scheduler) forbidden(o spool.Outcome) spool.Outcome {
	t := o.Task
	r := s.team(t.Team).route(t.Route)
	if !t.RouteRefusedAt.IsZero() && !r.lastSent.Before(t.RouteRefusedAt) {
		o.State = spool.Failed
		o.Reason += " (other messages of the route are sent)"
		return o
	}
	if n := r.refused.add(t.Participants); n > otherDenied {
		s.holdRoute(t, fmt.Sprintf("%d conversations in a row were answered 403: "+
			"is creator_id a member of the inbox, and may the team send? last: %s", n, refusal(o)))
	}
	o.RouteRefused = true
	pause := min(max(parked, s.backOff(t.Attempt)), heldProbe)
	return s.deferTo(o, s.o.Now().Add(pause))
}

// noteRoute takes into account what an outcome says about its route. A 403 that fails
// a request is the request's own, and credentials are the team's. What a search found
// was sent at another time, and says nothing.
func (s *Scheduler) noteRoute(r *result, o spool.Outcome) {
	now := s.o.Now()
	t := s.team(o.Task.Team)
	route := t.route(o.Task.Route)
	switch {
	case o.Task.Call == spool.Send && (o.State == spool.Sent || o.State == spool.Flagged):
		t.lastSent, route.lastSent = now, now
		route.failures, route.refused = nil, nil
		s.releaseSent(o.Task)
	case o.State == spool.Failed && r.noCall == "" && refusedContent(r):
		if n := route.failures.add(o.Task.QueueID); n >= failuresInARow {
			s.holdRoute(o.Task, fmt.Sprintf("%d different messages in a row failed; last: %s", n, refusal(o)))
		}
	}
}

// refusal is the reason of an outcome without what a check of its conversation adds.
func refusal(o spool.Outcome) string {
	if o.ConversationAlive {
		return o.Task.Refused
	}
	return o.Reason
}

// refusedContent reports whether a failure may be the fault of the route's configuration: the API
// does not take the message, or did not take it in time. Of a reply that is known when its
// conversation was found.
func refusedContent(r *result) bool {
	if r.task.Call == spool.CheckConversation {
		return r.task.RefusedStatus == http.StatusBadRequest
	}
	forbidden := r.problem != nil && r.problem.Class == heymarket.Forbidden
	return r.task.Call == spool.Send && !forbidden && !r.isDenied()
}

// holdRoute holds a task's route until one of its messages is sent.
func (s *Scheduler) holdRoute(t *spool.Task, reason string) {
	s.team(t.Team).route(t.Route).failures = nil
	s.hold(spool.Hold{Team: t.Team, Route: t.Route, Reason: reason, Probe: s.o.Now().Add(firstProbe)})
}
