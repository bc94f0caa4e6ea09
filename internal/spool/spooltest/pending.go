package spooltest

import (
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// pendingCases say where and since when something is pending, on hold or not.
var pendingCases = []testCase{
	{"Destinations", func(f *fixture) { // where something is open, once each
		f.many(3, letter{})
		f.send(letter{route: "news", inbox: 9})
		f.send(letter{inbox: 1})
		f.send(letter{team: "bank", id: "p"})
		f.send(letter{team: "bank", route: "behind", cites: []string{"p"}}) // in the same lane
		f.destinations(
			spool.Destination{Team: "bank", Route: "behind", Inbox: 202},
			spool.Destination{Team: "bank", Route: "support", Inbox: 202},
			spool.Destination{Team: "shop", Route: "news", Inbox: 9},
			spool.Destination{Team: "shop", Route: "support", Inbox: 1},
			spool.Destination{Team: "shop", Route: "support", Inbox: 202},
		)
		tasks := f.claim() // the routes in turn
		f.sent(tasks[0], 7)
		f.deferTask(tasks[1], time.Hour)
		f.done(spool.Outcome{Task: tasks[2], State: spool.Failed})
		f.moved(spool.Moved{Requests: 1})(f.operator.Hold(f.Context(), f.now, only("Q6"), "why"))
		f.moved(spool.Moved{Requests: 1})(f.operator.Drop(f.Context(), f.now, only("Q5")))
		f.destinations(
			spool.Destination{Team: "bank", Route: "behind", Inbox: 202},
			spool.Destination{Team: "bank", Route: "support", Inbox: 202},
			spool.Destination{Team: "shop", Route: "support", Inbox: 202},
		)
	}},
	{"Sendable", func(f *fixture) { // where something waits for its time alone
		shop := func(route string) spool.Destination {
			return spool.Destination{Team: "shop", Route: route, Inbox: 202}
		}
		f.send(letter{id: "p"})
		f.send(letter{route: "behind", cites: []string{"p"}})
		f.send(letter{team: "bank"})
		f.sendable(shop("support"))
		f.deferTask(f.claimOne(), time.Hour)
		f.hold(spool.Hold{Route: "support", Reason: "403"})
		f.sendable(shop("support"))
		f.moved(spool.Moved{Requests: 1})(f.operator.Hold(f.Context(), f.now, only("Q1"), "why"))
		f.sendable()
		f.moved(spool.Moved{Requests: 1})(f.operator.Drop(f.Context(), f.now, only("Q1")))
		f.sendable(shop("behind"))
		f.claimOne()
		f.sendable()
	}},
	{"Backlog", func(f *fixture) { // how much is open, and since when
		f.backlog(0, time.Time{})
		f.send(letter{route: "news", inbox: 9})
		f.now = f.now.Add(time.Minute)
		f.many(3, letter{})
		f.backlog(4, epoch)
		for _, t := range f.claim() {
			if t.Route == "news" {
				f.sent(t, 7)
			} else {
				f.deferTask(t, time.Hour)
			}
		}
		f.backlog(3, f.now)
		f.moved(spool.Moved{Requests: 3})(f.operator.Drop(f.Context(), f.now, spool.Filter{}))
		f.backlog(0, time.Time{})
	}},
}

// backlog fails the test unless so much is open, the oldest of it since then.
func (f *fixture) backlog(want int, since time.Time) {
	f.Helper()
	if n, oldest, err := f.Backlog(f.Context()); n != want || !oldest.Equal(since) || err != nil {
		f.Errorf("%d are open since %s (%v), want %d since %s", n, oldest, err, want, since)
	}
}

// sendable fails the test unless the team "shop" has something to send at just these places.
func (f *fixture) sendable(want ...spool.Destination) {
	f.Helper()
	if got, err := f.Sendable(f.Context(), "shop"); !slices.Equal(got, want) || err != nil {
		f.Errorf("something can be sent to %v (%v), want %v", got, err, want)
	}
}

// destinations fails the test unless something is open at just these places.
func (f *fixture) destinations(want ...spool.Destination) {
	f.Helper()
	if got, err := f.Destinations(f.Context()); !slices.Equal(got, want) || err != nil {
		f.Errorf("something waits at %v (%v), want %v", got, err, want)
	}
}
