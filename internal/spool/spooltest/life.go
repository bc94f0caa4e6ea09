package spooltest

import (
	"errors"

	"heyrelay/internal/spool"
)

// lifeCases say what survives a restart, and what a closed spool answers.
var lifeCases = []testCase{
	{"I8", func(f *fixture) { // killed between the API's 200 and our commit
		f.send(letter{})
		lost := f.claimOne()
		f.reopen()
		f.now = f.now.Add(lease)
		again := f.claimOne()
		if again.LocalID != lost.LocalID || again.Attempt != 2 || !again.Unknown || again.ConvoID != 0 {
			f.Errorf("claimed %s, attempt %d, Unknown %v; want the second attempt of %s, unknown",
				again.LocalID, again.Attempt, again.Unknown, lost.LocalID)
		}
	}},
	{"Restart", func(f *fixture) { // queued, deferred, sent and threads are what they were
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.send(letter{id: "s", to: []string{"bob"}})
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.deferTask(tasks[1], lease)
		f.reopen()
		f.state("Q1", spool.Sent)
		f.state("Q2", spool.Ready)
		f.state("Q3", spool.Deferred)
		if task := f.claimOne(); task.QueueID != "Q2" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want Q2 to 7", task.QueueID, task.ConvoID)
		}
		late := f.send(letter{id: "t", cites: []string{"p"}})
		f.together("Q1", late.QueueID)
	}},
	{"TurnsAfterRestart", func(f *fixture) { // who waited first goes first
		f.many(3, letter{})
		f.reopen()
		f.many(1, letter{})
		if got := queueIDs(f.claim()); got != "Q1 Q2 Q3 Q4" {
			f.Errorf("claimed %s, want the order accepted", got)
		}
	}},
	{"Closed", func(f *fixture) {
		if err := f.Close(); err != nil {
			f.Fatal(err)
		}
		if _, err := f.Accept(f.Context(), f.write(letter{})); !errors.Is(err, spool.ErrClosed) {
			f.Errorf("Accept: %v, want ErrClosed", err)
		}
		if _, _, err := f.Claim(f.Context(), f.now, lease, room("shop")); !errors.Is(err, spool.ErrClosed) {
			f.Errorf("Claim: %v, want ErrClosed", err)
		}
		if err := f.Close(); err != nil {
			f.Errorf("a second Close: %v", err)
		}
		f.Spool = f.open(f.T, f.place, f.clock)
	}},
}
