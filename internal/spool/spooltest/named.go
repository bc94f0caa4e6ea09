package spooltest

import (
	"errors"
	"time"

	"heyrelay/internal/spool"
)

// namedCases say what becomes of a message whose application names its
// conversation.
var namedCases = []testCase{
	{"Known", func(f *fixture) { // it joins, whatever it cites, and nobody looks
		p := f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		other := f.send(letter{id: "q"})
		f.sent(f.claimOne(), 8)
		r := f.send(letter{id: "r", cites: []string{"q"}, convo: 7})
		wantJoined(f, r, 0)
		f.together(p.QueueID, r.QueueID)
		f.apart(other.QueueID, r.QueueID)
		if task := f.claimOne(); task.ConvoID != 7 || task.Call != spool.Send {
			f.Errorf("claimed %+v, want a reply to 7", task)
		}
		f.together(r.QueueID, f.send(letter{cites: []string{"r"}}).QueueID)
	}},
	{"KnownOfOthers", func(f *fixture) {
		f.send(letter{to: []string{"alice", "bob"}})
		f.sent(f.claimOne(), 7)
		for _, l := range []letter{{to: []string{"alice"}}, {to: []string{"alice", "bob"}, inbox: 203}} {
			l.convo = 7
			if r, err := f.Accept(f.Context(), f.write(l)); !errors.Is(err, spool.ErrConvo) {
				f.Errorf("%+v: %+v, %v, want ErrConvo", l, r, err)
			}
		}
		wantJoined(f, f.send(letter{convo: 7, team: "bank"}), -1) // teams number their conversations apart
		if tasks := f.claim(); len(tasks) != 0 {
			f.Errorf("of what was refused %s is left", queueIDs(tasks))
		}
	}},
	{"Unknown", func(f *fixture) { // looked at, then replied to; known once the answer says so
		f.send(letter{id: "p", convo: 7})
		look := f.claimOne()
		if look.Call != spool.CheckConversation || look.ConvoID != 7 || look.RefusedStatus != 0 || look.Unknown {
			f.Errorf("claimed %+v, want a look at 7 before any send", look)
		}
		f.again(look, spool.Outcome{Status: 200})
		task := f.claimOne()
		if task.Call != spool.Send || task.ConvoID != 7 {
			f.Errorf("claimed %+v, want a reply to 7", task)
		}
		f.sent(task, 7)
		f.send(letter{convo: 7})
		f.together("Q1", "Q2")
		if task := f.claimOne(); task.Call != spool.Send || task.ConvoID != 7 {
			f.Errorf("claimed %+v, want a reply to what is known by now", task)
		}
	}},
	{"UnknownTwice", func(f *fixture) { // one lane, and each looks for itself
		f.send(letter{id: "a", convo: 7, subject: "One"})
		b := f.send(letter{convo: 7, subject: "One"})
		wantJoined(f, b, 0)
		f.together("Q1", b.QueueID)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Status: 404})
		look := f.claimOne()
		if look.QueueID != "Q2" || look.Call != spool.CheckConversation || look.ConvoID != 7 {
			f.Errorf("claimed %+v, want the look of the second", look)
		}
		f.done(spool.Outcome{Task: look, State: spool.Failed, Status: 404})
		f.send(letter{id: "r", cites: []string{"a"}})
		if task := f.claimOne(); task.Call != spool.Send || task.ConvoID != 0 {
			f.Errorf("claimed %+v, want a reply to what failed to open", task)
		}
	}},
	{"UnknownOfOthers", func(f *fixture) { // while one waits to look, it is for its people
		f.send(letter{convo: 7})
		for _, l := range []letter{{to: []string{"bob"}}, {inbox: 203}} {
			l.convo = 7
			if r, err := f.Accept(f.Context(), f.write(l)); !errors.Is(err, spool.ErrConvo) {
				f.Errorf("%+v: %+v, %v, want ErrConvo", l, r, err)
			}
		}
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Status: 404})
		f.send(letter{convo: 7, inbox: 203})
		f.apart("Q1", "Q4")
	}},
	{"Forgotten", func(f *fixture) { // while one was looking: it is unknown again
		f.send(letter{convo: 7})
		look := f.claimOne()
		f.send(letter{convo: 7})
		f.together("Q1", "Q2")
		f.moved(spool.Moved{Requests: 1, Busy: 1})(f.operator.Forget(f.Context(), f.now, "alice@example.com"))
		wantJoined(f, f.send(letter{convo: 7}), -1)
		f.apart("Q1", "Q3")
		f.again(look, spool.Outcome{Status: 200})
		for _, task := range f.claim() {
			if task.Call == spool.CheckConversation {
				f.again(task, spool.Outcome{Status: 200})
				task = f.claimOne()
			}
			f.sent(task, 7)
		}
		wantJoined(f, f.send(letter{convo: 7}), 0)
		f.together("Q3", "Q4")
		f.must(f.Check(f.Context()))
	}},
	{"ForeignByNow", func(f *fixture) { // two named it, and one of them was replayed
		l := letter{id: "m", convo: 7, window: days}
		f.send(l)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Status: 404})
		f.send(letter{convo: 7, to: []string{"bob"}})
		f.send(l)
		tasks := f.claim()
		f.again(tasks[1], spool.Outcome{Due: f.now.Add(time.Hour)})
		if tasks[0].ConvoConflict || tasks[1].ConvoConflict {
			f.Error("nobody knows it, and it is another's")
		}
		f.sent(tasks[0], 7)
		f.now = f.now.Add(time.Hour)
		if task := f.claimOne(); !task.ConvoConflict {
			f.Errorf("claimed %+v, want to hear that it is bob's", task)
		}
	}},
	{"NotAnswered", func(f *fixture) { // the API put the reply elsewhere: that is its conversation
		f.send(letter{id: "p", convo: 7})
		f.again(f.claimOne(), spool.Outcome{})
		f.sent(f.claimOne(), 9)
		f.send(letter{cites: []string{"p"}})
		if task := f.claimOne(); task.ConvoID != 9 {
			f.Errorf("the reply goes to %d, want 9", task.ConvoID)
		}
		f.apart("Q1", f.send(letter{convo: 7}).QueueID)
	}},
	{"Title", func(f *fixture) { // nobody knows its title: the first bodies begin with the Subject
		f.send(letter{convo: 7, subject: "One"})
		f.again(f.claimOne(), spool.Outcome{})
		task := f.claimOne()
		f.sent(task, 7)
		f.send(letter{convo: 7, subject: "One"})
		if again := f.claimOne(); task.Subject != "One" || again.Subject != "" {
			f.Errorf("the bodies begin with %q and %q, want One and nothing", task.Subject, again.Subject)
		}
	}},
	{"Unclaim", func(f *fixture) {
		f.send(letter{convo: 7})
		if err := f.Unclaim(f.Context(), f.claimOne()); err != nil {
			f.Fatal(err)
		}
		if task := f.claimOne(); task.Call != spool.CheckConversation || task.ConvoID != 7 || task.Attempt != 1 {
			f.Errorf("claimed %+v, want the look", task)
		}
	}},
	{"LostCheck", func(f *fixture) {
		f.send(letter{convo: 7})
		f.claimOne()
		f.reopen()
		f.now = f.now.Add(lease)
		if task := f.claimOne(); task.Call != spool.CheckConversation || task.ConvoID != 7 || task.Unknown {
			f.Errorf("claimed %+v, want the look once more", task)
		}
	}},
	{"Gone", func(f *fixture) { // between the look and the send: opened, as any dead conversation
		f.send(letter{convo: 7})
		f.again(f.claimOne(), spool.Outcome{})
		f.again(f.claimOne(), spool.Outcome{Status: 400, Refused: true, NextCall: spool.CheckConversation})
		f.again(f.claimOne(), spool.Outcome{Reopen: true, LocalID: "new"})
		if task := f.claimOne(); task.Call != spool.Send || task.ConvoID != 0 || task.LocalID != "new" {
			f.Errorf("claimed %+v, want an opener", task)
		}
	}},
	{"Replayed", func(f *fixture) { // looked at again, unless the same bytes must go again
		l := letter{id: "m", convo: 7, window: days}
		f.send(l)
		f.again(f.claimOne(), spool.Outcome{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Status: 400})
		f.send(l)
		look := f.claimOne()
		f.again(look, spool.Outcome{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Unknown: true})
		f.send(l)
		send := f.claimOne()
		if look.Call != spool.CheckConversation || look.ConvoID != 7 || send.Call != spool.Send || send.ConvoID != 7 {
			f.Errorf("claimed %+v and %+v, want a look and a reply", look, send)
		}
	}},
	{"HeldAndReleased", func(f *fixture) {
		f.send(letter{convo: 7})
		f.again(f.claimOne(), spool.Outcome{})
		f.moved(spool.Moved{Requests: 1})(f.operator.Hold(f.Context(), f.now, only("Q1"), "why"))
		f.moved(spool.Moved{Requests: 1})(f.operator.Release(f.Context(), f.now, only("Q1")))
		if task := f.claimOne(); task.Call != spool.CheckConversation || task.ConvoID != 7 {
			f.Errorf("claimed %+v, want a look", task)
		}
	}},
	{"Moved", func(f *fixture) { // to another scope, where it names nothing
		f.send(letter{convo: 7})
		o := spool.RetryOptions{Route: "sales", Team: "bank", Inbox: 9}
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q1"), o))
		if task := f.claim(room("bank"))[0]; task.Call != spool.Send || task.ConvoID != 0 {
			f.Errorf("claimed %+v, want an opener", task)
		}
	}},
}
