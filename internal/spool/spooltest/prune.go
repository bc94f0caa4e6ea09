package spooltest

import (
	"errors"
	"time"

	"heyrelay/internal/spool"
)

const day = 24 * time.Hour

var keeping = spool.Retention{Content: day, Sent: 30 * day, Failed: 60 * day, Threads: 365 * day}

// pruneCases say what goes, and when.
var pruneCases = []testCase{
	{"Content", func(f *fixture) { // of what was sent; what failed is kept whole
		f.many(3, letter{})
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.done(spool.Outcome{Task: tasks[1], State: spool.Failed})
		f.deferTask(tasks[2], 0)
		f.now = f.now.Add(day - time.Second)
		f.prune()
		f.now = f.now.Add(2 * time.Second)
		f.prune()
		f.state("Q1", spool.Sent)
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q2"), spool.RetryOptions{}))
		if n := len(f.claim()); n != 2 {
			f.Errorf("claimed %d, want the one that failed and the one that was deferred, with their content", n)
		}
	}},
	{"Rows", func(f *fixture) { // what happened to it; the ledger goes on counting
		f.many(3, letter{})
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.done(spool.Outcome{Task: tasks[1], State: spool.Failed})
		f.now = f.now.Add(31 * day)
		f.prune()
		f.gone("Q1", true)
		f.gone("Q2", false)
		f.now = f.now.Add(30 * day)
		f.prune()
		f.gone("Q2", true)
		f.gone("Q3", false) // is under way still
		f.stats("support", map[string]int{"sent": 1, "failed": 1, "active": 1})
		f.moved(spool.Moved{Busy: 1})(f.operator.Drop(f.Context(), f.now, spool.Filter{}))
	}},
	{"EndedLate", func(f *fixture) { // it is kept from its end on, however long it was pending
		f.many(3, letter{})
		f.deferTask(f.claim(one("shop"))[0], 0)
		f.now = f.now.Add(90 * day)
		f.moved(spool.Moved{Requests: 1})(f.operator.Drop(f.Context(), f.now, only("Q1")))
		f.done(spool.Outcome{Task: f.claim(one("shop"))[0], State: spool.Failed})
		f.sent(f.claimOne(), 7)
		f.now = f.now.Add(time.Hour)
		f.prune()
		f.gone("Q1", false)
		f.gone("Q2", false)
		f.moved(spool.Moved{Requests: 2})(f.operator.Retry(f.Context(), f.now, only("Q1", "Q2"), spool.RetryOptions{}))
		f.moved(spool.Moved{Requests: 2})(f.operator.Drop(f.Context(), f.now, only("Q1", "Q2")))
		f.now = f.now.Add(59 * day)
		f.prune()
		f.gone("Q1", false)
		f.gone("Q3", true)
		f.now = f.now.Add(2 * day)
		f.prune()
		f.gone("Q1", true)
		f.gone("Q2", true)
	}},
	{"Undelivered", func(f *fixture) { // what has a notice that has not left is kept whole
		f.send(letter{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Sent, Report: spool.RelayedAction, Event: []byte("{}")})
		keep := spool.Retention{Content: day, Sent: 30 * day, Ways: []spool.Way{spool.Mail, spool.Hook}}
		prune := func() {
			f.now = f.now.Add(40 * day)
			f.pruneAll(keep)
		}
		for _, way := range keep.Ways {
			prune()
			f.gone("Q1", false)
			n := f.notice(way)
			if n.Report != nil && len(n.Report.Raw) == 0 {
				f.Error("the report has lost its message")
			}
			if err := f.Done(f.Context(), n.ID); err != nil {
				f.Fatal(err)
			}
		}
		prune()
		f.gone("Q1", true)
	}},
	{"UndeliveredByNobody", func(f *fixture) { // a way that is not in use any more keeps nothing
		f.send(letter{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Sent, Event: []byte("{}")})
		f.now = f.now.Add(40 * day)
		f.prune()
		f.gone("Q1", true)
		f.silent()
	}},
	{"EventForNobody", func(f *fixture) { // about no message, it is kept as long as what happened to mail
		f.must(f.AddEvent(f.Context(), f.now, []byte("{}")))
		f.now = f.now.Add(29 * day)
		f.prune()
		f.notice(spool.Hook)
		f.now = f.now.Add(2 * day)
		f.pruneAll(spool.Retention{Sent: 30 * day, Ways: []spool.Way{spool.Hook}})
		f.notice(spool.Hook)
		f.prune()
		f.now = f.now.Add(lease)
		f.silent()
	}},
	{"Repeats", func(f *fixture) { // while it may be repeated, a message is remembered
		l := letter{id: "m", window: 5 * day}
		f.send(l)
		f.sent(f.claimOne(), 7)
		f.now = f.now.Add(4 * day)
		f.pruneAll(spool.Retention{Repeats: 5 * day})
		if r := f.send(l); !r.Duplicate || r.QueueID != "Q1" {
			f.Errorf("the receipt is %+v, want a duplicate of Q1", r)
		}
	}},
	{"Threads", func(f *fixture) { // a year after its last message
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.now = f.now.Add(360 * day)
		f.send(letter{id: "r", cites: []string{"p"}})
		f.sent(f.claimOne(), 7)
		f.now = f.now.Add(360 * day)
		f.prune()
		f.send(letter{id: "s", cites: []string{"p"}})
		task := f.claimOne()
		if task.ConvoID != 7 {
			f.Errorf("replies to %d, want 7: it was used within the year", task.ConvoID)
		}
		f.sent(task, 7)
		f.now = f.now.Add(366 * day)
		f.prune()
		f.send(letter{id: "t", cites: []string{"p"}})
		if task := f.claimOne(); task.ConvoID != 0 {
			f.Errorf("replies to %d, want a new conversation after the year", task.ConvoID)
		}
	}},
	{"Steps", func(f *fixture) { // each looks at no more than its limit
		f.many(25, letter{id: "m"})
		total := 0
		for range 100 {
			n, err := f.Prune(f.Context(), f.now, keeping, 10)
			if n > 10 || err != nil {
				f.Fatalf("one step looked at %d (%v)", n, err)
			}
			total += n
			if n == 0 {
				break
			}
		}
		if want := 25 * (1 + 1 + 1 + 3); total != want { // its recipient, its Message-ID and its local_id are terms
			f.Errorf("a round looked at %d, want %d messages, ids, conversations and terms", total, want)
		}
	}},
}

// prune goes one whole round.
func (f *fixture) prune() {
	f.Helper()
	f.pruneAll(keeping)
}

func (f *fixture) pruneAll(keep spool.Retention) {
	f.Helper()
	for {
		n, err := f.Prune(f.Context(), f.now, keep, 10)
		if err != nil {
			f.Fatalf("Prune: %v", err)
		}
		if n == 0 {
			return
		}
	}
}

// gone fails the test unless a message is kept, or not.
func (f *fixture) gone(queueID string, want bool) {
	f.Helper()
	if _, err := f.Show(f.Context(), queueID); errors.Is(err, spool.ErrNotFound) != want {
		f.Errorf("Show %s: %v, want it gone: %v", queueID, err, want)
	}
}
