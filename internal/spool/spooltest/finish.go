package spooltest

import (
	"errors"
	"time"

	"heyrelay/internal/spool"
)

// finishCases say what an answer changes.
var finishCases = []testCase{
	{"Sent", func(f *fixture) {
		f.send(letter{})
		task := f.claimOne()
		f.now = f.now.Add(time.Second)
		f.done(spool.Outcome{Task: task, State: spool.Sent, ConvoID: 7, MessageID: 70, Status: 200, APIID: "req-1"})
		s := f.detail("Q1")
		if s.State != "sent" || s.ConvoID != 7 || s.MessageID != 70 || len(s.Tries) != 1 {
			f.Fatalf("the details are %+v", s)
		}
		want := spool.AttemptDetail{N: 1, Call: "send", Began: epoch, Ended: f.now, Status: 200, APIID: "req-1"}
		if s.Tries[0] != want {
			f.Errorf("the attempt is %+v, want %+v", s.Tries[0], want)
		}
	}},
	{"Flagged", func(f *fixture) { // taken all the same: the lane goes on in its conversation
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Flagged, ConvoID: 7})
		f.state("Q1", spool.Flagged)
		if task := f.claimOne(); task.QueueID != "Q2" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want Q2 to 7", task.QueueID, task.ConvoID)
		}
	}},
	{"T16", func(f *fixture) { // the opener fails, the reply opens, the third joins the second
		f.send(letter{id: "p"})
		f.send(letter{id: "r1", cites: []string{"p"}})
		f.send(letter{id: "r2", cites: []string{"p"}})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Status: 400, Reason: "bad"})
		second := f.claimOne()
		if second.QueueID != "Q2" || second.ConvoID != 0 {
			f.Errorf("claimed %s to %d, want Q2 to open", second.QueueID, second.ConvoID)
		}
		f.sent(second, 7)
		if third := f.claimOne(); third.ConvoID != 7 {
			f.Errorf("the third replies to %d, want 7", third.ConvoID)
		}
	}},
	{"Unrecorded", func(f *fixture) { // an outcome that could not be recorded is known: its call is not repeated meanwhile
		f.send(letter{})
		task := f.claimOne()
		f.now = f.now.Add(lease - time.Second)
		for range 3 {
			if _, err := f.Finish(f.Context(), f.now, spool.Outcome{Task: task, State: spool.Ready}); err == nil {
				f.Fatal("an attempt ended as ready")
			}
			f.now = f.now.Add(59 * time.Second)
			if tasks := f.claim(); len(tasks) != 0 {
				f.Fatalf("claimed %s again", queueIDs(tasks))
			}
		}
		f.sent(task, 7)
		f.state("Q1", spool.Sent)
	}},
	{"FailedReply", func(f *fixture) { // never blocks those behind it
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "r1", cites: []string{"p"}})
		f.send(letter{id: "r2", cites: []string{"p"}})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed})
		if task := f.claimOne(); task.QueueID != "Q3" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want Q3 to 7", task.QueueID, task.ConvoID)
		}
	}},
	{"NoConvoID", func(f *fixture) { // the next opens anew
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.sent(f.claimOne(), 0)
		if task := f.claimOne(); task.QueueID != "Q2" || task.ConvoID != 0 {
			f.Errorf("claimed %s to %d, want Q2 to open", task.QueueID, task.ConvoID)
		}
	}},
	{"Foreign", func(f *fixture) { // one conversation for each contact: never a reply to other people
		f.send(letter{id: "p", to: []string{"alice"}})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "q", to: []string{"alice", "bob"}})
		if r := f.sent(f.claimOne(), 7); !r.ConvoConflict {
			f.Error("the convo_id of other participants was not noticed")
		}
		f.send(letter{id: "r", to: []string{"alice", "bob"}, cites: []string{"q"}})
		if task := f.claimOne(); task.ConvoID != 0 {
			f.Errorf("replies to %d, which is other people's", task.ConvoID)
		}
	}},
	{"ForeignReply", func(f *fixture) { // nor where the answer to a reply says so
		f.send(letter{id: "p", to: []string{"alice"}})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "q", to: []string{"bob"}})
		f.sent(f.claimOne(), 8)
		f.send(letter{id: "r", to: []string{"bob"}, cites: []string{"q"}})
		if r := f.sent(f.claimOne(), 7); !r.ConvoConflict || r.Replaced != 0 {
			f.Errorf("the result is %+v, want Foreign", r)
		}
		f.send(letter{id: "s", to: []string{"bob"}, cites: []string{"q"}})
		if task := f.claimOne(); task.ConvoID != 8 {
			f.Errorf("replies to %d, want 8", task.ConvoID)
		}
	}},
	{"SamePeople", func(f *fixture) { // two threads merged by the API are no secret
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "q"})
		if r := f.sent(f.claimOne(), 7); r.ConvoConflict {
			f.Error("the convo_id of the same people is taken for that of others")
		}
		f.send(letter{id: "r", cites: []string{"q"}})
		if task := f.claimOne(); task.ConvoID != 7 {
			f.Errorf("replies to %d, want 7", task.ConvoID)
		}
	}},
	{"OtherTeam", func(f *fixture) { // teams number their conversations apart
		f.send(letter{team: "bank", to: []string{"bob"}})
		f.sent(f.claim(room("bank"))[0], 7)
		f.send(letter{to: []string{"alice"}})
		if r := f.sent(f.claimOne(), 7); r.ConvoConflict {
			f.Error("the convo_id of another team counts")
		}
	}},
	{"Replaced", func(f *fixture) {
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "r", cites: []string{"p"}})
		if r := f.sent(f.claimOne(), 9); r.Replaced != 7 {
			f.Errorf("Replaced is %d, want 7", r.Replaced)
		}
		f.send(letter{id: "s", cites: []string{"p"}})
		if task := f.claimOne(); task.ConvoID != 9 {
			f.Errorf("replies to %d, want 9", task.ConvoID)
		}
	}},
	{"Unknown", func(f *fixture) { // it stays, until the end
		f.send(letter{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Deferred, Due: f.now, Unknown: true})
		if s := f.detail("Q1"); !s.Unknown {
			f.Error("the outcome is known")
		}
		f.deferTask(f.claimOne(), 0) // a definite one does not clear it
		task := f.claimOne()
		if !task.Unknown || task.Attempt != 3 {
			f.Errorf("attempt %d, Unknown %v; want 3 and true", task.Attempt, task.Unknown)
		}
		f.sent(task, 7)
		f.state("Q1", spool.Sent)
		if s := f.detail("Q1"); s.Unknown {
			f.Error("the outcome of what was sent is unknown")
		}
	}},
	{"Twice", func(f *fixture) { // an answer counts once
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		task := f.claimOne()
		f.sent(task, 7)
		r := f.finish(spool.Outcome{Task: task, State: spool.Failed})
		if !errors.Is(r.Err, spool.ErrLost) {
			f.Errorf("the second answer: %v, want ErrLost", r.Err)
		}
		f.state("Q1", spool.Sent)
		f.state("Q2", spool.Ready)
	}},
	{"TwiceDeferred", func(f *fixture) {
		f.send(letter{})
		task := f.claimOne()
		f.deferTask(task, time.Second)
		if r := f.finish(spool.Outcome{Task: task, State: spool.Sent}); !errors.Is(r.Err, spool.ErrLost) {
			f.Errorf("an attempt that ended deferred was finished again: %v", r.Err)
		}
		f.state("Q1", spool.Deferred)
	}},
	{"ManyAtOnce", func(f *fixture) { // the results stand in the order of the outcomes
		f.many(3, letter{})
		tasks := f.claim()
		f.sent(tasks[1], 7)
		results, err := f.Finish(f.Context(), f.now,
			spool.Outcome{Task: tasks[0], State: spool.Sent, ConvoID: 7},
			spool.Outcome{Task: tasks[1], State: spool.Sent, ConvoID: 8},
			spool.Outcome{Task: tasks[2], State: spool.Failed})
		if err != nil {
			f.Fatal(err)
		}
		if !results[0].ConvoConflict || !errors.Is(results[1].Err, spool.ErrLost) || results[2] != (spool.Finished{}) {
			f.Errorf("the results are %+v, want Foreign, ErrLost and nothing", results)
		}
		f.state("Q3", spool.Failed)
	}},
	{"NoEnd", func(f *fixture) { // an attempt ends as sent, flagged, failed or deferred
		f.send(letter{})
		task := f.claimOne()
		for _, s := range []spool.State{spool.Queued, spool.Ready, spool.Active} {
			if _, err := f.Finish(f.Context(), f.now, spool.Outcome{Task: task, State: s}); err == nil {
				f.Errorf("an attempt ended as %s", s)
			}
		}
		f.sent(task, 7)
	}},
	{"Unclaim", func(f *fixture) { // as if it had not been claimed
		f.many(2, letter{})
		r := spool.Capacity{Team: "shop", Rate: plenty, Free: 1}
		task := f.claim(r)[0]
		if err := f.Unclaim(f.Context(), task); err != nil {
			f.Fatal(err)
		}
		if s := f.detail("Q1"); s.State != "ready" || s.Attempts != 0 || len(s.Tries) != 0 || s.Unknown {
			f.Errorf("the details are %+v, want one that was never claimed", s)
		}
		f.now = f.now.Add(time.Second)
		if again := f.claim(r)[0]; again.Request != task.Request || again.Attempt != 1 ||
			!again.TrialSince.Equal(f.now) {
			f.Errorf("claimed %s, attempt %d, tried %s; want the first attempt of %s, now",
				again.QueueID, again.Attempt, again.TrialSince, task.QueueID)
		}
	}},
	{"UnclaimSecondAttempt", func(f *fixture) {
		f.send(letter{})
		f.deferTask(f.claimOne(), 0)
		f.now = f.now.Add(time.Second)
		if err := f.Unclaim(f.Context(), f.claimOne()); err != nil {
			f.Fatal(err)
		}
		task := f.claimOne()
		if task.Attempt != 2 || !task.TrialSince.Equal(epoch) {
			f.Errorf("attempt %d, tried %s; want 2 and %s", task.Attempt, task.TrialSince, epoch)
		}
		if tries := f.detail("Q1").Tries; len(tries) != 2 || tries[0].Status != 500 {
			f.Errorf("the attempts are %+v", tries)
		}
	}},
	{"UnclaimSpends", func(f *fixture) { // spent budget stays spent
		f.send(letter{})
		r := spool.Capacity{Team: "shop", Rate: 10, Free: 9}
		tasks := f.claim(r)
		if err := f.Unclaim(f.Context(), tasks...); err != nil {
			f.Fatal(err)
		}
		if again := f.claim(r); len(tasks) != 1 || len(again) != 0 {
			f.Errorf("claimed %d, and %d after the release, want 1 and 0", len(tasks), len(again))
		}
	}},
	{"UnclaimLost", func(f *fixture) {
		f.send(letter{})
		lost := f.claimOne()
		f.now = f.now.Add(lease)
		again := f.claimOne()
		if err := f.Unclaim(f.Context(), lost); err != nil {
			f.Fatal(err)
		}
		f.sent(again, 7)
		f.state("Q1", spool.Sent)
	}},
}
