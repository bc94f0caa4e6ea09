package spooltest

import (
	"time"

	"heyrelay/internal/spool"
)

// asideCases say when the heads of a held destination step aside.
var asideCases = []testCase{
	{"Destination", func(f *fixture) { // of a held destination: replies of others do not wait for its heads
		held := spool.Hold{Route: "gone", Inbox: 202}
		f.send(letter{id: "a", route: "gone"})
		f.send(letter{id: "b", cites: []string{"a"}, route: "gone"})
		f.send(letter{id: "c", cites: []string{"a"}})
		f.deferTask(f.claimOne(), time.Hour)
		f.hold(held)
		if tasks := f.claim(); len(tasks) != 0 {
			f.Fatalf("claimed %s behind the head", queueIDs(tasks))
		}
		if err := f.StepAside(f.Context(), spool.Destination{Team: "shop", Route: "gone", Inbox: 202}); err != nil {
			f.Fatal(err)
		}
		task := f.claimOne()
		if task.QueueID != "Q3" {
			f.Fatalf("claimed %s, want the reply of the other route", task.QueueID)
		}
		f.send(letter{id: "d", cites: []string{"a"}, route: "gone"})
		f.send(letter{id: "e", cites: []string{"a"}})
		f.sent(task, 7) // Q4 becomes the head, and steps aside at once
		task = f.claimOne()
		if task.QueueID != "Q5" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want the next of the other route", task.QueueID, task.ConvoID)
		}
		f.sent(task, 7)
		f.releaseAt(spool.Destination{Team: "shop", Route: "gone", Inbox: 202}, 1)
		if got := len(f.claim()); got != 3 {
			f.Errorf("after the hold claimed %d, want the 3 that had stepped aside", got)
		}
	}},
	{"Later", func(f *fixture) { // what was active when its destination was held
		gone := spool.Destination{Team: "shop", Route: "gone"}
		f.send(letter{id: "a", route: "gone"})
		f.send(letter{id: "b", cites: []string{"a"}})
		f.send(letter{id: "c", route: "gone"})
		f.send(letter{id: "d", cites: []string{"c"}})
		tasks := f.claim()
		f.hold(spool.Hold{Route: "gone"})
		if err := f.StepAside(f.Context(), gone); err != nil {
			f.Fatal(err)
		}
		if got := f.claim(); len(tasks) != 2 || len(got) != 0 {
			f.Fatalf("claimed %s and then %s, want the heads alone", queueIDs(tasks), queueIDs(got))
		}
		if err := f.Unclaim(f.Context(), tasks[1]); err != nil {
			f.Fatal(err)
		}
		f.sent(f.claimOne(), 4) // behind what was unclaimed
		f.now = f.now.Add(lease)
		f.sent(f.claimOne(), 2) // behind what was lost
		f.releaseAt(gone, 0)
		if got := f.claim(); len(got) != 2 {
			f.Errorf("after the hold claimed %s, want the 2 that had stepped aside", queueIDs(got))
		}
	}},
	{"AfterRestart", func(f *fixture) {
		f.send(letter{id: "a", route: "gone"})
		f.send(letter{id: "b", cites: []string{"a"}})
		f.claimOne()
		f.hold(spool.Hold{Route: "gone"})
		if err := f.StepAside(f.Context(), spool.Destination{Team: "shop", Route: "gone"}); err != nil {
			f.Fatal(err)
		}
		f.reopen()
		f.now = f.now.Add(lease)
		if task := f.claimOne(); task.QueueID != "Q2" {
			f.Errorf("claimed %s, want the reply behind the lost one", task.QueueID)
		}
	}},
	{"Meanwhile", func(f *fixture) { // a verb drops what has stepped aside since it began
		f.send(letter{id: "a"})
		f.send(letter{id: "b", cites: []string{"a"}, route: "gone"})
		f.send(letter{id: "c", cites: []string{"b"}})
		f.send(letter{id: "d", cites: []string{"c"}})
		f.hold(spool.Hold{Route: "gone"})
		if err := f.StepAside(f.Context(), spool.Destination{Team: "shop", Route: "gone"}); err != nil {
			f.Fatal(err)
		}
		f.moved(spool.Moved{Requests: 2})(f.operator.Drop(f.Context(), f.now, only("Q1", "Q2")))
		f.state("Q2", spool.Dropped)
		f.sent(f.claimOne(), 7)
		if task := f.claimOne(); task.QueueID != "Q4" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want the last", task.QueueID, task.ConvoID)
		}
	}},
	{"BehindNobody", func(f *fixture) { // the lane of a held route alone keeps its order
		f.send(letter{id: "a"})
		f.send(letter{id: "b", cites: []string{"a"}})
		f.hold(spool.Hold{Route: "support"})
		if err := f.StepAside(f.Context(), spool.Destination{Team: "shop", Route: "support"}); err != nil {
			f.Fatal(err)
		}
		f.release("support", 0)
		if task := f.claimOne(); task.QueueID != "Q1" {
			f.Errorf("claimed %s, want the parent", task.QueueID)
		}
	}},
}
