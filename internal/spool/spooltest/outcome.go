package spooltest

import (
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// outcomeCases say how a request comes to its end when the API did not just take
// it: what is asked in between, and what is remembered from call to call.
var outcomeCases = []testCase{
	{"T17", func(f *fixture) { // reply refused, its conversation is gone: opened once more
		first := f.refusedReply()
		f.again(
			first,
			spool.Outcome{
				Status:   400,
				Reason:   "no such conversation",
				Refused:  true,
				NextCall: spool.CheckConversation,
			},
		)
		look := f.claimOne()
		if look.Call != spool.CheckConversation || look.ConvoID != 7 || look.Refused != "no such conversation" ||
			look.RefusedStatus != 400 ||
			look.ConversationAlive {
			f.Errorf("claimed %+v, want a look at 7 that knows of the refusal", look)
		}
		f.again(look, spool.Outcome{Status: 404, Reopen: true, LocalID: "new"})
		task := f.claimOne()
		if task.QueueID != "Q2" || task.Call != spool.Send || task.ConvoID != 0 || task.LocalID != "new" ||
			task.Refused != "" ||
			task.Sends != nil {
			f.Errorf("claimed %+v, want the same content as an opener under a new local_id", task)
		}
		f.sent(task, 9)
		if task := f.claimOne(); task.QueueID != "Q3" || task.ConvoID != 9 {
			f.Errorf("claimed %s to %d, want Q3 to the new conversation", task.QueueID, task.ConvoID)
		}
	}},
	{"T17_SomebodyOpened", func(f *fixture) { // it replies to the conversation that began meanwhile
		f.again(f.refusedReply(), spool.Outcome{Status: 404, Refused: true, NextCall: spool.CheckConversation})
		f.again(f.claimOne(), spool.Outcome{Reopen: true, LocalID: "new", Detach: true, Due: f.now.Add(time.Second)})
		f.sent(f.claimOne(), 9)
		f.now = f.now.Add(time.Second)
		if task := f.claimOne(); task.LocalID != "new" || task.ConvoID != 9 {
			f.Errorf("claimed %s to %d, want the reopened one to 9", task.LocalID, task.ConvoID)
		}
	}},
	{"T17_KeepsTheNewer", func(f *fixture) { // the conversation forgets only what was found gone
		task := f.refusedReply()
		f.again(task, spool.Outcome{Status: 404, Refused: true, NextCall: spool.CheckConversation, Detach: true})
		tasks := f.claim() // the look, and the next in the lane
		reply, look := tasks[0], tasks[1]
		if reply.QueueID != "Q3" {
			reply, look = look, reply
		}
		f.sent(reply, 9)
		f.again(look, spool.Outcome{Reopen: true, LocalID: "new"})
		if task := f.claimOne(); task.LocalID != "new" || task.ConvoID != 9 {
			f.Errorf("claimed %s to %d, want the reopened one to 9", task.LocalID, task.ConvoID)
		}
	}},
	{"T17_NotWhileUnknown", func(f *fixture) { // a new local_id could double it
		task := f.refusedReply()
		f.again(task, spool.Outcome{Unknown: true})
		task = f.claimOne()
		o := spool.Outcome{Task: task, State: spool.Deferred, Due: f.now, Reopen: true, LocalID: "new"}
		if _, err := f.Finish(f.Context(), f.now, o); err == nil {
			f.Error("a request of unknown outcome was given a new local_id")
		}
		o.ProvenAbsent = true // the look-up found none
		f.done(o)
	}},
	{"T18", func(f *fixture) { // reply refused, the conversation exists: failed
		f.again(f.refusedReply(), spool.Outcome{Status: 400, Reason: "bad", Refused: true, NextCall: spool.CheckConversation})
		f.again(f.claimOne(), spool.Outcome{Status: 200, ConversationAlive: true, NextCall: spool.FindMessage})
		task := f.claimOne()
		if !task.ConversationAlive || task.Refused != "bad" || task.Call != spool.FindMessage {
			f.Errorf("claimed %+v, want a search that knows of the refusal and the look", task)
		}
		f.again(task, spool.Outcome{ProvenAbsent: true})
		task = f.claimOne()
		if !task.ConversationAlive {
			f.Error("the look is forgotten")
		}
		f.again(task, spool.Outcome{Status: 403, Reason: "worse", Refused: true})
		task = f.claimOne()
		if task.ConversationAlive || task.Refused != "worse" || task.RefusedStatus != 403 {
			f.Errorf("claimed %+v, want the newest refusal, and no look since", task)
		}
		f.done(spool.Outcome{Task: task, State: spool.Failed, Status: 400})
		f.state("Q2", spool.Failed)
		if task := f.claimOne(); task.QueueID != "Q3" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want Q3 to 7", task.QueueID, task.ConvoID)
		}
	}},
	{"I6", func(f *fixture) { // time-out, then 200
		f.send(letter{})
		task := f.claimOne()
		f.again(task, spool.Outcome{Unknown: true, Reason: "time-out"})
		again := f.claimOne()
		if !again.Unknown || again.LocalID != task.LocalID || again.ConvoID != task.ConvoID || again.HTML != task.HTML {
			f.Errorf("claimed %+v, want the same call as %+v", again, task)
		}
		f.sent(again, 7)
		f.state("Q1", spool.Sent)
	}},
	{"I7", func(f *fixture) { // time-out, then 400, found by local_id
		f.send(letter{id: "p"})
		f.again(f.claimOne(), spool.Outcome{Unknown: true})
		f.now = f.now.Add(time.Minute)
		f.again(f.claimOne(), spool.Outcome{Status: 400, Reason: "bad", Refused: true, NextCall: spool.FindMessage})
		f.now = f.now.Add(time.Minute)
		search := f.claimOne()
		if search.Call != spool.FindMessage || !slices.Equal(search.Sends, []time.Time{epoch}) || !search.Unknown {
			f.Errorf("claimed %+v, want a search for the first send alone: the second was refused", search)
		}
		f.sent(search, 7)
		f.state("Q1", spool.Sent)
		f.send(letter{id: "r", cites: []string{"p"}})
		if task := f.claimOne(); task.ConvoID != 7 {
			f.Errorf("the next replies to %d, want the 7 that was found", task.ConvoID)
		}
	}},
	{"I7_Absent", func(f *fixture) { // the search decides it
		f.send(letter{})
		f.again(f.claimOne(), spool.Outcome{Unknown: true, NextCall: spool.FindMessage})
		f.again(f.claimOne(), spool.Outcome{ProvenAbsent: true})
		if task := f.claimOne(); task.Unknown || task.Call != spool.Send {
			f.Errorf("claimed %+v, want a send whose outcome is known", task)
		}
		if s := f.detail("Q1"); s.Unknown || len(s.Tries) != 3 || s.Tries[1].Call != "find-message" {
			f.Errorf("the details are %+v", s)
		}
	}},
	{"I8_Search", func(f *fixture) { // a search or look that was lost is asked again, and leaves nothing unknown
		for _, call := range []spool.Call{spool.CheckConversation, spool.FindMessage} {
			f.send(letter{})
			f.again(f.claimOne(), spool.Outcome{NextCall: call})
			f.claimOne()
			f.reopen()
			f.now = f.now.Add(lease)
			task := f.claimOne()
			if task.Call != call || task.Attempt != 3 || task.Unknown {
				f.Errorf("claimed %+v, want the %s once more", task, call)
			}
			f.sent(task, 0)
		}
	}},
	{"UnclaimSearch", func(f *fixture) {
		f.send(letter{})
		f.again(f.claimOne(), spool.Outcome{NextCall: spool.FindMessage})
		if err := f.Unclaim(f.Context(), f.claimOne()); err != nil {
			f.Fatal(err)
		}
		if task := f.claimOne(); task.Call != spool.FindMessage || task.Attempt != 2 {
			f.Errorf("claimed %+v, want the search", task)
		}
	}},
	{"O3", func(f *fixture) { // the head steps aside, and the lane goes on without it
		f.send(letter{id: "p", priority: spool.Bulk})
		f.send(letter{id: "r1", cites: []string{"p"}, priority: spool.High})
		f.send(letter{id: "r2", cites: []string{"p"}, priority: spool.Normal})
		f.again(f.claimOne(), spool.Outcome{Due: f.now.Add(time.Minute), Detach: true})
		f.sent(f.claimOne(), 7)
		f.sent(f.claimOne(), 7)
		f.state("Q3", spool.Sent)
		f.now = f.now.Add(time.Minute)
		if tasks := f.claim(spool.Capacity{Team: "shop", Rate: plenty, High: 1}); len(tasks) != 0 {
			f.Error("what stepped aside is as urgent as what waited for it")
		}
		head := f.claimOne()
		if head.QueueID != "Q1" || !head.Detached || head.ConvoID != 0 {
			f.Errorf("claimed %+v, want Q1 from a lane of its own, to repeat its first call", head)
		}
		f.again(head, spool.Outcome{Detach: true}) // it stays where it is
		f.send(letter{id: "r3", cites: []string{"p"}})
		if got := queueIDs(f.claim()); got != "Q4 Q1" && got != "Q1 Q4" {
			f.Errorf("claimed %s, want both lanes", got)
		}
	}},
	{"O3_Replayed", func(f *fixture) { // it goes back to the end of its conversation's lane
		l := letter{id: "p", window: days}
		f.send(l)
		f.again(f.claimOne(), spool.Outcome{Detach: true})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Unknown: true})
		f.send(letter{id: "r1", cites: []string{"p"}})
		f.send(l)
		f.sent(f.claimOne(), 7)
		if task := f.claimOne(); task.QueueID != "Q1" || task.Detached || task.Call != spool.Send {
			f.Errorf("claimed %+v, want Q1 in its lane", task)
		}
	}},
	{"Reserve", func(f *fixture) { // calls beyond the claim come out of the budget, and begin one after the other
		f.many(3, letter{})
		r := spool.Capacity{Team: "shop", Rate: 60, Free: 1}
		f.claim(r)
		last := f.now
		for range 20 {
			begin, err := f.Reserve(f.Context(), f.now, "shop", 60)
			if err != nil {
				f.Fatal(err)
			}
			if gap := begin.Sub(last); gap < 700*time.Millisecond || gap > 1100*time.Millisecond {
				f.Errorf("a reserved call may begin %s after the one before, want about a second", gap)
			}
			last = begin
		}
		tasks, next := f.claimNext(r)
		if wait := next.Sub(f.now); len(tasks) != 0 || wait < 20*time.Second || wait > 22*time.Second {
			f.Errorf("after 21 calls at 60 a minute claimed %d, next in %s; want none, and about 21 s", len(tasks), wait)
		}
		f.now = next
		if len(f.claim(r)) != 1 {
			f.Error("nothing was claimed when the budget opened")
		}
	}},
	{"Searches", func(f *fixture) { // no more than asked for, and they keep nothing else from being claimed
		f.many(5, letter{})
		for _, task := range f.claim() {
			f.again(task, spool.Outcome{Unknown: true, NextCall: spool.FindMessage})
		}
		f.many(2, letter{})
		room := spool.Capacity{Team: "shop", Rate: plenty, Free: 100, Searches: 2}
		calls := map[spool.Call]int{}
		for _, task := range f.claim(room) {
			calls[task.Call]++
		}
		if calls[spool.FindMessage] != 2 || calls[spool.Send] != 2 {
			f.Errorf("claimed %v, want two searches and both sends", calls)
		}
		if tasks := f.claim(spool.Capacity{Team: "shop", Rate: plenty, Free: 100}); len(tasks) != 0 {
			f.Errorf("claimed %d searches where none may begin", len(tasks))
		}
	}},
	{"Memory", func(f *fixture) { // what the API may have forgotten is searched for before it is sent again
		f.many(2, letter{})
		tasks := f.claim()
		f.again(tasks[0], spool.Outcome{Unknown: true})
		f.now = f.now.Add(30 * time.Minute)
		f.again(tasks[1], spool.Outcome{Unknown: true})
		f.now = f.now.Add(31 * time.Minute)
		room := spool.Capacity{Team: "shop", Rate: plenty, Free: 100, Memory: time.Hour}
		if tasks := f.claim(room); len(tasks) != 0 {
			f.Errorf("claimed %v where no search may begin", tasks)
		}
		room.Searches = 1
		if task := f.claim(room); len(task) != 1 || task[0].Call != spool.FindMessage || task[0].QueueID != "Q1" {
			f.Errorf("claimed %v, want a search for Q1", task)
		}
	}},
	{"ProvenAbsent", func(f *fixture) { // what a search proved is not searched for again
		f.send(letter{})
		f.again(f.claimOne(), spool.Outcome{Unknown: true, NextCall: spool.FindMessage})
		f.now = f.now.Add(3 * time.Hour)
		f.again(f.claimOne(), spool.Outcome{ProvenAbsent: true})
		task := f.claimOne()
		if task.Unknown || task.Sends != nil {
			f.Errorf("claimed %+v, want a send of which nothing is unknown", task)
		}
		second := f.now
		f.again(task, spool.Outcome{Unknown: true})
		f.now = f.now.Add(time.Second)
		if task := f.claimOne(); task.Call != spool.Send || !slices.Equal(task.Sends, []time.Time{second}) {
			f.Errorf("claimed %+v, want a send with the second one unknown alone", task)
		}
	}},
	{"SendsOfUnknownOutcomeOnly", func(f *fixture) {
		f.send(letter{})
		f.again(f.claimOne(), spool.Outcome{Status: 429})
		f.now = f.now.Add(time.Minute)
		second := f.now
		f.again(f.claimOne(), spool.Outcome{Unknown: true})
		f.now = f.now.Add(time.Minute)
		f.again(f.claimOne(), spool.Outcome{Status: 425})
		f.now = f.now.Add(time.Minute)
		lost := f.now
		f.claimOne()
		f.now = f.now.Add(2 * lease)
		if task := f.claimOne(); !slices.Equal(task.Sends, []time.Time{second, lost}) {
			f.Errorf("the sends of unknown outcome are %v, want %v and %v", task.Sends, second, lost)
		}
	}},
	{"NonsenseOutcomes", func(f *fixture) {
		f.send(letter{})
		task := f.claimOne()
		for _, o := range []spool.Outcome{
			{State: spool.Sent, NextCall: spool.CheckConversation},
			{State: spool.Failed, Detach: true},
			{State: spool.Failed, Reopen: true, LocalID: "new"},
			{State: spool.Deferred, Reopen: true},
			{State: spool.Deferred, Reopen: true, LocalID: "new", NextCall: spool.CheckConversation},
		} {
			o.Task = task
			if _, err := f.Finish(f.Context(), f.now, o); err == nil {
				f.Errorf("%+v was taken", o)
			}
		}
		f.sent(task, 7)
	}},
}

// again ends a task to be tried again, now where o does not say when.
func (f *fixture) again(t *spool.Task, o spool.Outcome) {
	f.Helper()
	o.Task, o.State = t, spool.Deferred
	if o.Due.IsZero() {
		o.Due = f.now
	}
	f.done(o)
}

// refusedReply has Q1 sent into conversation 7 and claims its reply Q2; Q3 waits
// behind it.
func (f *fixture) refusedReply() *spool.Task {
	f.Helper()
	f.send(letter{id: "p"})
	f.sent(f.claimOne(), 7)
	f.send(letter{id: "r1", cites: []string{"p"}})
	f.send(letter{id: "r2", cites: []string{"p"}})
	return f.claimOne()
}
