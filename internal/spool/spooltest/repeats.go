package spooltest

import (
	"errors"
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

const (
	days    = 5 * 24 * time.Hour
	minutes = 10 * time.Minute
)

// repeatCases say which message is the application's own retry of another.
var repeatCases = []testCase{
	{"I1", func(f *fixture) { // the 250 got lost
		first := f.send(letter{id: "m", window: days})
		again := f.send(letter{id: "m", window: days})
		if !again.Duplicate || again.QueueID != first.QueueID || again.Revived != 0 {
			f.Errorf("the repeat's receipt is %+v, want a duplicate of %s", again, first.QueueID)
		}
		if n := len(f.claim()); n != 1 {
			f.Errorf("%d requests are ready, want 1", n)
		}
		if _, err := f.Show(f.Context(), "Q2"); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("Show of the repeat: %v, want ErrNotFound", err)
		}
	}},
	{"I1_AfterRestart", func(f *fixture) {
		first := f.send(letter{id: "m", window: days})
		f.reopen()
		if again := f.send(letter{id: "m", window: days}); again.QueueID != first.QueueID {
			f.Errorf("the repeat is %s, want %s", again.QueueID, first.QueueID)
		}
	}},
	{"I3", func(f *fixture) {
		f.send(letter{id: "m", window: days})
		again := f.send(letter{id: "m", body: "other", window: days})
		if again.Duplicate || !again.SameID {
			f.Errorf("the receipt is %+v, want a new message with the same id", again)
		}
	}},
	{"I4", func(f *fixture) {
		f.send(letter{id: "m", to: []string{"alice"}, window: days})
		if r := f.send(letter{id: "m", to: []string{"bob"}, window: days}); r.Duplicate {
			f.Error("the same mail to somebody else is taken for a repeat")
		}
		if n := len(f.claim()); n != 2 {
			f.Errorf("%d requests are ready, want 2", n)
		}
	}},
	{"I5_Broken", func(f *fixture) {
		first := f.send(letter{weak: true, window: minutes})
		if r := f.send(letter{weak: true, window: minutes}); r.QueueID != first.QueueID {
			f.Errorf("the repeat after a break is %s, want %s", r.QueueID, first.QueueID)
		}
	}},
	{"I5_Confirmed", func(f *fixture) {
		first := f.send(letter{weak: true, window: minutes})
		if err := f.ConfirmReply(f.Context(), first.QueueID); err != nil {
			f.Fatal(err)
		}
		second := f.send(letter{weak: true, window: minutes})
		if second.Duplicate {
			f.Error("the next message is taken for a repeat of one whose 250 was confirmed")
		}
		if r := f.send(letter{weak: true, window: minutes}); r.QueueID != second.QueueID {
			f.Errorf("the repeat of the second is %s, want %s", r.QueueID, second.QueueID)
		}
	}},
	{"I5_ConfirmedWithMessageID", func(f *fixture) { // a lost 250 may follow a confirmed one
		first := f.send(letter{id: "m", window: days})
		if err := f.ConfirmReply(f.Context(), first.QueueID); err != nil {
			f.Fatal(err)
		}
		if r := f.send(letter{id: "m", window: days}); r.QueueID != first.QueueID {
			f.Errorf("the repeat is %s, want %s", r.QueueID, first.QueueID)
		}
	}},
	{"ConfirmNothing", func(f *fixture) {
		if err := f.ConfirmReply(f.Context(), "Q99"); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("ConfirmReply of an unknown message: %v, want ErrNotFound", err)
		}
	}},
	{"I9", func(f *fixture) { // the visible request is sent, the blind one failed
		l := letter{id: "m", to: []string{"alice"}, blind: []string{"bob"}, window: days}
		first := f.send(l)
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.done(spool.Outcome{Task: tasks[1], State: spool.Failed, Status: 400, Reason: "bad"})
		again := f.send(l)
		if !again.Duplicate || again.Revived != 1 {
			f.Errorf("the receipt is %+v, want a duplicate with one request revived", again)
		}
		task := f.claimOne()
		if task.QueueID != first.QueueID || task.LocalID != tasks[1].LocalID || task.Attempt != 2 {
			f.Errorf("claimed %s of %s, attempt %d; want the second attempt of %s",
				task.LocalID, task.QueueID, task.Attempt, tasks[1].LocalID)
		}
	}},
	{"I9_EndOfLane", func(f *fixture) { // revived, it waits behind what came since
		l := letter{id: "a", window: days}
		f.send(l)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed})
		f.send(letter{id: "b", cites: []string{"a"}})
		f.send(letter{id: "c", cites: []string{"a"}})
		f.send(l)
		f.state("Q1", spool.Queued)
		var order string
		for range 3 {
			task := f.claimOne()
			order += task.QueueID + " "
			f.sent(task, 7)
		}
		if order != "Q2 Q3 Q1 " {
			f.Errorf("sent in the order %s, want Q2 Q3 Q1", order)
		}
	}},
	{"I9_DecidesAnew", func(f *fixture) { // its conversation began without it
		l := letter{id: "a", window: days}
		f.send(l)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed})
		f.send(letter{id: "b", cites: []string{"a"}})
		f.sent(f.claimOne(), 7)
		f.send(l)
		if task := f.claimOne(); task.ConvoID != 7 {
			f.Errorf("replies to %d, want 7", task.ConvoID)
		}
	}},
	{"I9_UnknownRepeats", func(f *fixture) { // it may have opened one: the same bytes again
		l := letter{id: "a", window: days}
		f.send(l)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Unknown: true})
		f.send(letter{id: "b", cites: []string{"a"}})
		f.sent(f.claimOne(), 7)
		f.send(l)
		if task := f.claimOne(); task.ConvoID != 0 || !task.Unknown {
			f.Errorf("ConvoID %d, Unknown %v, want 0 and true", task.ConvoID, task.Unknown)
		}
	}},
	{"I10", func(f *fixture) { // a dead clock and a constant Message-ID
		f.send(letter{id: "m", window: minutes})
		f.now = f.now.Add(time.Hour)
		if r := f.send(letter{id: "m", window: minutes}); r.Duplicate {
			f.Error("the alarm of an hour later is taken for a repeat")
		}
	}},
	{"WindowEnds", func(f *fixture) {
		f.send(letter{id: "m", window: minutes})
		f.now = f.now.Add(minutes)
		if r := f.send(letter{id: "m", window: minutes}); !r.Duplicate {
			f.Error("a repeat at the window's last instant is no repeat")
		}
		f.now = f.now.Add(time.Nanosecond)
		if r := f.send(letter{id: "m", window: minutes}); r.Duplicate {
			f.Error("a repeat after the window's end is one")
		}
	}},
	{"WindowOff", func(f *fixture) {
		f.send(letter{id: "m"})
		if r := f.send(letter{id: "m"}); r.Duplicate {
			f.Error("without a window there are no repeats")
		}
	}},
	{"Key", func(f *fixture) { // it says what is a repeat, whatever the source holds
		l := letter{key: "k", id: "m", window: days}
		first := f.send(l)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed})
		l.id = "other"
		if again := f.send(l); again.QueueID != first.QueueID || again.Revived != 1 {
			f.Errorf("the repeat's receipt is %+v, want a duplicate of %s, revived", again, first.QueueID)
		}
		l.key = "k2"
		if r := f.send(l); r.Duplicate {
			f.Error("what has a key of its own is taken for a repeat")
		}
		l.key, l.inbox = "k", 203
		if r := f.send(l); r.Duplicate {
			f.Error("the key of another scope counts")
		}
	}},
	{"KeyOfOtherContent", func(f *fixture) {
		l := letter{key: "k", window: days}
		f.send(l)
		for _, other := range []letter{
			{body: "other"},
			{subject: "Other"},
			{to: []string{"bob"}},
			{blind: []string{"bob"}},
		} {
			other.key, other.window = l.key, l.window
			if r, err := f.Accept(f.Context(), f.write(other)); !errors.Is(err, spool.ErrKey) {
				f.Errorf("%+v: %+v, %v, want ErrKey", other, r, err)
			}
		}
		f.now = f.now.Add(days + 1)
		l.body = "other"
		if r := f.send(l); r.Duplicate {
			f.Error("after the window the key still stands for the first message")
		}
	}},
	{"AtOnce", func(f *fixture) { // two equal ones at the same instant: one wins
		const n = 16
		messages := make([]*spool.Message, n)
		for i := range messages {
			messages[i] = f.write(letter{id: "m", window: days})
		}
		receipts := make([]spool.Receipt, n)
		parallel(n, func(i int) {
			var err error
			receipts[i], err = f.Accept(f.Context(), messages[i])
			if err != nil {
				f.Error(err)
			}
		})
		winners := map[string]bool{}
		firsts := 0
		for _, r := range receipts {
			winners[r.QueueID] = true
			if !r.Duplicate {
				firsts++
			}
		}
		if firsts != 1 || len(winners) != 1 {
			f.Errorf("%d messages are the first, with %d queue ids: %s", firsts, len(winners), fmt.Sprint(winners))
		}
	}},
}
