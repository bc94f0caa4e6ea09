package delivery

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

const (
	// searchMargin is how far a search looks beyond a send, for clocks that differ,
	// and how long after the last one it is believed: nobody documents how soon a
	// message is listed.
	searchMargin = time.Minute

	maxPages = 20 // calls of a search in one attempt

	// searchPause is how long a search pauses after that, so that it uses a small part of the budget.
	searchPause = 10 * time.Second
)

// window is a span of time in which a message may have been sent.
type window struct{ from, to time.Time }

// windows are the spans around sends, newest first. Those that overlap are one; restored
// makes one of all, since others may have been between.
func (s *Setup) windows(sends []time.Time, restored bool) (all []window) {
	for i := len(sends) - 1; i >= 0; i-- {
		w := window{sends[i].Add(-searchMargin), sends[i].Add(s.Timeout + searchMargin)}
		if n := len(all); n > 0 && (restored || !w.to.Before(all[n-1].from)) {
			all[n-1].from = earlier(all[n-1].from, w.from)
			all[n-1].to = later(all[n-1].to, w.to)
			continue
		}
		all = append(all, w)
	}
	return all
}

var errPages = errors.New("no more pages")

// progress is how far a search has come that takes several attempts. It does not change.
type progress struct {
	setup *Setup          // with which it began
	sends []time.Time     // that it is about
	began time.Time       // when its first page was requested
	seen  int             // how many of their windows, the newest first
	rest  *heymarket.Rest // of the next one; nil: all of it
}

// newProgress is that of r's search before its first page: of the attempt before, unless that was about other
// sends, or with another set-up.
func newProgress(r *result) progress {
	earlier := r.progress
	if earlier != nil && earlier.setup == r.setup && slices.EqualFunc(earlier.sends, r.task.Sends, time.Time.Equal) {
		return *earlier
	}
	return progress{setup: r.setup, sends: r.task.Sends, began: r.began}
}

// find searches for a task's message around its sends of unknown outcome, as far as the pages of
// an attempt last. The claim paid for the first page; each other one is taken from the budget before
// it is requested.
func (s *Scheduler) find(ctx context.Context, r *result) error {
	t := r.task
	pages := 0
	before := func(ctx context.Context, _ int) error {
		pages++
		switch {
		case pages == 1:
			return nil
		case pages > maxPages:
			return errPages
		}
		return s.reserve(ctx, r.setup, t.Team)
	}
	p := newProgress(r)
	r.progress = &p
	for _, w := range r.setup.windows(t.Sends, t.Restored)[p.seen:] {
		var err error
		earlier := p.rest
		r.search, err = r.setup.Teams[t.Team].Client.FindMessage(ctx, t.LocalID, w.from, w.to, earlier, before)
		p.rest = r.search.Rest
		r.advanced = r.advanced || p.rest != nil && p.rest != earlier
		if err != nil || r.search.Found || !r.search.Complete {
			return err
		}
		p.seen++
		r.advanced = true
	}
	return nil
}

// searched judges a search for the message in the team's history. Absence is
// believed only of a complete search, and not too soon.
func (s *Scheduler) searched(r *result, o spool.Outcome) spool.Outcome {
	now := s.o.Now()
	switch {
	case r.search.Found:
		o.State = spool.Sent
		o.ConvoID = r.search.Message.ConvoID
		o.MessageID = r.search.Message.ID
		o.Reason = "found by its local_id"
		return o
	case r.problem != nil:
		return s.searchOn(r, s.retry(o, r.problem.RetryAfter))
	case !r.search.Complete && r.advanced:
		o.Reason = "the search of the team's history is not finished yet"
		return s.searchOn(r, s.deferTo(o, later(now.Add(searchPause), s.listed(o.Task))))
	case !r.search.Complete:
		o.Reason = "the team's history could not be searched to the end"
		return s.retry(o, 0)
	case !searchable(o.Task.Sends, now):
		o.Reason = "the clock was set back since it was sent: the search covered another time, and proves nothing"
		return s.retry(o, 0)
	}
	if listed := s.listed(o.Task); listed.After(earlier(r.progress.began, now)) { // now, if the clock was set back
		o.Reason = "not found by its local_id yet"
		return instead(s.deferTo(o, listed), spool.FindMessage)
	}
	o.ProvenAbsent = true
	o.Reason = "not found by its local_id: it was not sent"
	if o.Task.RefusedStatus == http.StatusConflict { // the API knows the local_id, but lists no such message
		return s.retry(o, 0)
	}
	o = s.deferTo(o, now) // it has waited long enough

	// Before the backup, nobody may have looked at the conversation.
	if o.Task.Named && o.Task.Restored {
		return instead(o, spool.CheckConversation)
	}
	return o
}

// listed is when a task's message is taken to be in the team's history, if it was sent.
func (s *Scheduler) listed(t *spool.Task) time.Time {
	return later(t.Sends[len(t.Sends)-1], s.clockSet).Add(searchMargin)
}

// searchOn keeps the progress of a search for the next one of a request that was deferred, and has it
// come next if this one advanced. One that began too soon would prove nothing in the end, and begins anew.
func (s *Scheduler) searchOn(r *result, o spool.Outcome) spool.Outcome {
	if r.advanced {
		o = instead(o, spool.FindMessage)
	}
	if o.State == spool.Deferred && !s.listed(o.Task).After(r.progress.began) {
		s.searches[o.Task.Request] = r.progress
	}
	return o
}

// searchable reports whether a search for sends covers the time in which they were
// made. After the clock was set back it does not.
func searchable(sends []time.Time, now time.Time) bool {
	return len(sends) > 0 && !sends[0].After(now) && !sends[len(sends)-1].After(now)
}
