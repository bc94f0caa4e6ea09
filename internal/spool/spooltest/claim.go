package spooltest

import (
	"fmt"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// claimCases say what may begin, and in which order.
var claimCases = []testCase{
	{"Nothing", func(f *fixture) {
		if tasks, next := f.claimNext(); len(tasks) != 0 || !next.IsZero() {
			f.Errorf("claimed %v of an empty spool, next %s", names(tasks), next)
		}
	}},
	{"Once", func(f *fixture) {
		f.send(letter{})
		f.claimOne()
		if tasks := f.claim(); len(tasks) != 0 {
			f.Errorf("claimed %v a second time", names(tasks))
		}
	}},
	{"OtherTeam", func(f *fixture) {
		f.send(letter{team: "bank"})
		if tasks := f.claim(); len(tasks) != 0 {
			f.Errorf("team shop claimed %v of team bank", names(tasks))
		}
		if tasks := f.claim(room("shop"), room("bank")); len(tasks) != 1 {
			f.Errorf("claimed %v, want the one of team bank", names(tasks))
		}
	}},
	{"Free", func(f *fixture) { // room for two, and one more that must be high
		f.many(5, letter{priority: spool.Normal})
		r := spool.Capacity{Team: "shop", Rate: plenty, Free: 2, High: 1}
		if n := len(f.claim(r)); n != 2 {
			f.Errorf("claimed %d, want 2", n)
		}
		f.many(5, letter{priority: spool.High})
		r.Free = 0
		if tasks := f.claim(r); len(tasks) != 1 || tasks[0].QueueID != "Q6" {
			f.Errorf("claimed %s, want the first high one alone", queueIDs(tasks))
		}
		r.High = 0
		if tasks, next := f.claimNext(r); len(tasks) != 0 || !next.Equal(f.now.Add(lease)) {
			f.Errorf("without room claimed %s, next %s", queueIDs(tasks), next)
		}
	}},
	{"Bodies", func(f *fixture) { // the one that uses up what they may have is the last
		f.many(5, letter{priority: spool.High})
		r := spool.Capacity{Team: "shop", Rate: plenty, Free: 2, High: 2, Bodies: 1}
		first := f.claim(r)
		if len(first) != 1 {
			f.Fatalf("claimed %s, want one", queueIDs(first))
		}
		r.Bodies = first[0].Bodies() + 1
		if tasks := f.claim(r); len(tasks) != 2 {
			f.Errorf("claimed %s, want two", queueIDs(tasks))
		}
	}},
	{"HighBeyondFree", func(f *fixture) {
		f.many(5, letter{priority: spool.High})
		if n := len(f.claim(spool.Capacity{Team: "shop", Rate: plenty, Free: 2, High: 2})); n != 4 {
			f.Errorf("claimed %d, want 4", n)
		}
	}},
	{"Classes", func(f *fixture) { // 16 slots: 14 begin at high, one at normal, one at bulk
		for _, p := range []spool.Priority{spool.Bulk, spool.Normal, spool.High} {
			f.many(20, letter{priority: p, route: p.String()})
		}
		var order string
		for range 4 {
			tasks := f.claim(
				spool.Capacity{Team: "shop", Rate: plenty, Free: 4},
			) // the slot is kept from claim to claim
			for _, t := range tasks {
				order += t.Route[:1]
			}
		}
		if want := "hhhhhhhnhhhhhhhb"; order != want {
			f.Errorf("the classes came as %s, want %s", order, want)
		}
	}},
	{"Routes", func(f *fixture) { // 100 of one route do not delay another's; one call at a time
		f.many(100, letter{route: "a"})
		f.many(2, letter{route: "b"})
		f.many(2, letter{route: "c"})
		var order string
		for range 7 {
			order += f.claim(one("shop"))[0].Route
		}
		if order != "abcabca" {
			f.Errorf("the routes came as %s, want abcabca", order)
		}
	}},
	{"RoutesUnderBudget", func(f *fixture) { // a route that the budget put off has not had its turn
		f.many(30, letter{route: "a"})
		f.many(30, letter{route: "b"})
		f.many(30, letter{route: "c"})
		turns := map[string]int{}
		for range 30 {
			tasks, next := f.claimNext(spool.Capacity{Team: "shop", Rate: 60, Free: 100})
			for _, t := range tasks {
				turns[t.Route]++
			}
			f.now = next
		}
		if turns["a"] != turns["b"] || turns["b"] != turns["c"] || turns["a"] == 0 {
			f.Errorf("the routes had %v turns, want equal ones", turns)
		}
	}},
	{"OldestFirst", func(f *fixture) {
		f.many(5, letter{})
		if got := queueIDs(f.claim()); got != "Q1 Q2 Q3 Q4 Q5" {
			f.Errorf("claimed %s, want the order accepted", got)
		}
	}},
	{"Turns", func(f *fixture) { // two conversations take turns, however long one is
		for i := range 3 {
			f.send(letter{id: fmt.Sprintf("a%d", i), cites: []string{"a"}})
		}
		for i := range 3 {
			f.send(letter{id: fmt.Sprintf("b%d", i), cites: []string{"b"}, to: []string{"bob"}})
		}
		var order []string
		for range 6 {
			task := f.claim(one("shop"))[0]
			order = append(order, task.QueueID)
			f.sent(task, 0)
		}
		if got := strings.Join(order, " "); got != "Q1 Q4 Q2 Q5 Q3 Q6" {
			f.Errorf("sent %s, want the conversations in turn", got)
		}
	}},
	{"O1", func(f *fixture) {
		f.send(letter{id: "p"})
		f.send(letter{id: "r1", cites: []string{"p"}})
		f.send(letter{id: "r2", cites: []string{"r1", "p"}})
		for i, want := range []int64{0, 7, 7} {
			task := f.claimOne() // one at a time
			if task.QueueID != fmt.Sprintf("Q%d", i+1) || task.ConvoID != want {
				f.Errorf("call %d is %s to %d, want Q%d to %d", i, task.QueueID, task.ConvoID, i+1, want)
			}
			f.sent(task, 7)
		}
	}},
	{"O2", func(f *fixture) { // a parent in back-off: its replies wait, other lanes flow
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.deferTask(f.claimOne(), time.Minute)
		f.send(letter{id: "x", to: []string{"bob"}})
		tasks, next := f.claimNext()
		if queueIDs(tasks) != "Q3" || !next.Equal(f.now.Add(time.Minute)) {
			f.Errorf("claimed %s, next %s; want Q3 and a minute later", queueIDs(tasks), next)
		}
		f.sent(tasks[0], 8)
		f.now = next
		if task := f.claimOne(); task.QueueID != "Q1" || task.Attempt != 2 {
			f.Errorf("claimed %s, attempt %d; want the second of Q1", task.QueueID, task.Attempt)
		}
	}},
	{"Tried", func(f *fixture) { // the begin of the first attempt, at each one
		f.send(letter{})
		for i := range 3 {
			task := f.claimOne()
			if !task.TrialSince.Equal(epoch) || task.Attempt != i+1 || task.Unknown {
				f.Errorf("attempt %d: Tried %s, Attempt %d, Unknown %v", i+1, task.TrialSince, task.Attempt, task.Unknown)
			}
			f.deferTask(task, time.Second)
			f.now = f.now.Add(time.Second)
		}
	}},
	{"LeaseEnds", func(f *fixture) { // the process that claimed it is gone
		f.send(letter{})
		lost := f.claimOne()
		if _, next := f.claimNext(); !next.Equal(f.now.Add(lease)) {
			f.Errorf("next is %s, want the end of the lease", next)
		}
		f.now = f.now.Add(lease)
		again := f.claimOne()
		if again.LocalID != lost.LocalID || again.Attempt != 2 || !again.Unknown {
			f.Errorf("claimed %s, attempt %d, Unknown %v; want the second attempt of %s, unknown",
				again.LocalID, again.Attempt, again.Unknown, lost.LocalID)
		}
		if r := f.finish(spool.Outcome{Task: lost, State: spool.Sent, ConvoID: 7}); r.Err == nil {
			f.Error("the lost claim could still be finished")
		}
		f.sent(again, 8)
		f.state("Q1", spool.Sent)
	}},
	{"DueMany", func(f *fixture) { // more than one step makes due
		const n = 600
		f.many(n, letter{})
		r := spool.Capacity{Team: "shop", Rate: plenty, Free: n}
		outcomes := make([]spool.Outcome, 0, n)
		for _, t := range f.claim(r) {
			outcomes = append(outcomes, spool.Outcome{Task: t, State: spool.Deferred, Due: f.now.Add(time.Second)})
		}
		if _, err := f.Finish(f.Context(), f.now, outcomes...); err != nil {
			f.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
		tasks, next := f.claimNext(r)
		if len(tasks) != n {
			if next.After(f.now) {
				f.Errorf("%d of %d are ready, and the rest would be deferred until %s", len(tasks), n, next)
			}
			tasks = append(tasks, f.claim(r)...)
		}
		if len(tasks) != n {
			f.Errorf("%d of %d became due in two claims", len(tasks), n)
		}
	}},
	{"Budget", func(f *fixture) { // 600 a minute: paced, never over, kept from claim to claim
		f.many(150, letter{})
		r := spool.Capacity{Team: "shop", Rate: 600, Free: 1000}
		began, end := 0, f.now.Add(10*time.Second)
		for f.now.Before(end) {
			tasks, next := f.claimNext(r)
			if !next.After(f.now) {
				f.Fatalf("at %s: claimed %d, next %s", f.now, len(tasks), next)
			}
			began += len(tasks)
			f.now = next.Add(3 * time.Millisecond)
		}
		if began < 98 || began > 102 {
			f.Errorf("%d calls began in 10 s, want about 100", began)
		}
	}},
	{"BudgetAfterRestart", func(f *fixture) {
		f.many(20, letter{})
		r := spool.Capacity{Team: "shop", Rate: 60, Free: 1000}
		n := len(f.claim(r))
		f.reopen()
		f.many(1, letter{})
		if again := len(f.claim(r)); n == 0 || again != 0 {
			f.Errorf("%d calls began, and %d after a restart at the same time, want none", n, again)
		}
	}},
	{"BudgetsApart", func(f *fixture) {
		f.many(3, letter{team: "a"})
		f.many(3, letter{team: "b"})
		tasks := f.claim(spool.Capacity{Team: "a", Rate: 10, Free: 9}, spool.Capacity{Team: "b", Rate: 10, Free: 9})
		if got := queueIDs(tasks); got != "Q1 Q4" {
			f.Errorf("claimed %s, want one of each team", got)
		}
	}},
	{"NoBudget", func(f *fixture) {
		f.send(letter{})
		if tasks, next := f.claimNext(spool.Capacity{Team: "shop", Free: 9}); len(tasks) != 0 || !next.IsZero() {
			f.Errorf("a rate of 0 began %s, next %s", queueIDs(tasks), next)
		}
	}},
	{"BudgetClockJumpsBack", func(f *fixture) { // the calls of the future do not stop those of now
		f.many(10, letter{})
		r := spool.Capacity{Team: "shop", Rate: 60, Free: 100}
		f.claim(r)
		f.now = f.now.Add(-time.Hour)
		for range 20 {
			tasks, _ := f.claimNext(r)
			if len(tasks) > 0 {
				return
			}
			f.now = f.now.Add(100 * time.Millisecond)
		}
		f.Error("no call began within 2 s")
	}},
}

// many sends n messages to n people.
func (f *fixture) many(n int, l letter) {
	f.Helper()
	for range n {
		l.to = []string{fmt.Sprintf("person-%d", f.n)}
		f.send(l)
	}
}
