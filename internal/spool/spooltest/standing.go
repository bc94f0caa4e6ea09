package spooltest

import (
	"fmt"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// mismatch says which local ids were handed.
type mismatch struct{ got, want []string }

func (m mismatch) Error() string { return fmt.Sprintf("handed %v, want %v", m.got, m.want) }

// standing is a capacity for some calls that stands.
func standing(free int) spool.Capacity {
	return spool.Capacity{Team: "shop", Rate: plenty, Free: free, Lasts: true}
}

// handed takes what Accept has claimed.
func (f *fixture) handed(wantMore bool) []*spool.Task {
	f.Helper()
	tasks, more := f.Handed()
	if more != wantMore {
		f.Errorf("handed %v; may Claim have more? %v, want %v", names(tasks), more, wantMore)
	}
	return tasks
}

// standingCases say what Accept claims, and what a Turn does.
var standingCases = []testCase{
	{"Handed", func(f *fixture) {
		f.claim(standing(2))
		f.send(letter{id: "first"})
		tasks := f.handed(false)
		if len(tasks) != 1 || tasks[0].QueueID != "Q1" || tasks[0].HTML != "<p>body</p>" || tasks[0].Attempt != 1 ||
			!tasks[0].TrialSince.Equal(f.now) {
			f.Fatalf("handed %+v, want the message", tasks)
		}
		if again := f.handed(false); again != nil {
			f.Errorf("handed %v again", names(again))
		}
		if d := f.detail("Q1"); d.State != "active" || len(d.Tries) != 1 || !d.Tries[0].Began.Equal(f.now) {
			f.Errorf("it is %+v, want active", d)
		}
		f.finish(spool.Outcome{Task: tasks[0], State: spool.Sent, ConvoID: 7})
		f.send(letter{cites: []string{"first"}})
		reply := f.handed(false)
		if len(reply) != 1 || reply[0].ConvoID != 7 || !f.detail("Q2").Joined {
			f.Errorf("handed %+v, want a reply to 7", reply)
		}
	}},
	{"NoFurther", func(f *fixture) {
		f.claim(standing(1))
		f.many(3, letter{})
		if tasks := f.handed(true); queueIDs(tasks) != "Q1" {
			f.Errorf("handed %s, want the one there was room for", queueIDs(tasks))
		}
	}},
	{"Bodies", func(f *fixture) { // of what was handed to nobody yet, too
		r := standing(9)
		r.Bodies = 1
		f.claim(r)
		f.many(2, letter{})
		if _, err := f.Turn(f.Context(), f.now, nil, lease, r); err != nil {
			f.Fatal(err)
		}
		f.many(1, letter{})
		if tasks := f.handed(true); queueIDs(tasks) != "Q1" {
			f.Errorf("handed %s, want the one whose bodies there was room for", queueIDs(tasks))
		}
	}},
	{"NotStanding", func(f *fixture) {
		f.claim()
		f.send(letter{})
		if tasks := f.handed(true); tasks != nil {
			f.Errorf("handed %v of a capacity that does not stand", names(tasks))
		}
	}},
	{"OnlyTheLast", func(f *fixture) {
		f.claim(standing(9))
		f.claim(room("bank"))
		f.send(letter{})
		if tasks := f.handed(true); tasks != nil {
			f.Errorf("handed %v of a capacity that was not renewed", names(tasks))
		}
	}},
	{"Withdraw", func(f *fixture) {
		f.claim(standing(9))
		f.send(letter{})
		last, err := f.Withdraw(f.Context())
		if err != nil || queueIDs(last) != "Q1" {
			f.Errorf("withdrawn with %v (%v), want the one that was handed to nobody", names(last), err)
		}
		f.send(letter{})
		if tasks := f.handed(true); tasks != nil {
			f.Errorf("handed %v after that", names(tasks))
		}
	}},
	{"Turns", func(f *fixture) { // the one that has been ready longer goes first
		r := standing(9)
		r.Rate = 60
		f.many(2, letter{})
		f.handed(true)
		f.claim(r)
		f.now = f.now.Add(2 * time.Second)
		f.send(letter{})
		f.handed(false) // it is known when the budget opens
		if tasks := f.claim(r); queueIDs(tasks) != "Q2" {
			f.Errorf("claimed %s, want the one that waits longer", queueIDs(tasks))
		}
	}},
	{"Lane", func(f *fixture) {
		f.claim(standing(9))
		f.send(letter{id: "first"})
		f.send(letter{cites: []string{"first"}})
		if tasks := f.handed(false); queueIDs(tasks) != "Q1" {
			f.Errorf("handed %s, want the head of the lane alone", queueIDs(tasks))
		}
	}},
	{"Held", func(f *fixture) {
		for _, h := range []spool.Hold{
			{Team: "shop"},
			{Team: "shop", Route: "support"},
			{Team: "shop", Route: "support", Inbox: 202},
		} {
			f.claim(standing(9))
			if err := f.operator.HoldDestination(f.Context(), f.now, h); err != nil {
				f.Fatal(err)
			}
			f.send(letter{})
			if tasks := f.handed(true); tasks != nil {
				f.Errorf("handed %v, though %s is held", names(tasks), h.Destination().Name())
			}
			if _, err := f.operator.ReleaseDestination(f.Context(), f.now, h.Destination()); err != nil {
				f.Fatal(err)
			}
			f.claim(room("shop"))
		}
	}},
	{"Throttled", func(f *fixture) {
		f.claim(standing(9))
		answer := spool.TooMany{Rate: 500, Began: f.now, RetryAfter: time.Minute}
		if _, err := f.Throttle(f.Context(), f.now, "shop", answer); err != nil {
			f.Fatal(err)
		}
		f.send(letter{})
		if tasks := f.handed(true); tasks != nil {
			f.Errorf("handed %v to a team that is shut", names(tasks))
		}
	}},
	{"Budget", func(f *fixture) {
		r := standing(99)
		r.Rate = 60
		f.claim(r)
		f.many(3, letter{})
		tasks := f.handed(true)
		if queueIDs(tasks) != "Q1" {
			f.Errorf("handed %s, want what the budget allows", queueIDs(tasks))
		}
		more, next := f.claimNext(r)
		if len(more) != 0 || !next.After(f.now) {
			f.Errorf("then claimed %v, next %v: the budget forgot what was handed", names(more), next)
		}
		f.send(letter{})
		if tasks := f.handed(false); tasks != nil { // it is known when the budget opens
			f.Errorf("handed %v of a budget that is spent", names(tasks))
		}
	}},
	{"CountsWhatWasHanded", func(f *fixture) { // a claim does not know of it yet
		f.claim(standing(2))
		f.many(2, letter{})
		f.many(2, letter{})
		if tasks := f.claim(standing(2)); len(tasks) != 0 {
			f.Errorf("claimed %v beside two that were handed", names(tasks))
		}
		f.handed(true)
		if tasks := f.claim(standing(2)); len(tasks) != 2 {
			f.Errorf("claimed %v, want the other two", names(tasks))
		}
	}},
	{"Restart", func(f *fixture) {
		f.claim(standing(9))
		f.send(letter{})
		f.reopen()
		f.now = f.now.Add(lease)
		if t := f.claimOne(); t.Attempt != 2 || !t.Unknown || len(t.Sends) != 1 {
			f.Errorf("after a restart %+v, want a second attempt after one of unknown outcome", t)
		}
	}},
	{"Unclaim", func(f *fixture) {
		f.claim(standing(9))
		f.send(letter{})
		if err := f.Unclaim(f.Context(), f.handed(false)...); err != nil {
			f.Fatal(err)
		}
		if t := f.claimOne(); t.Attempt != 1 || t.Unknown {
			f.Errorf("given back and claimed again: %+v, want the first attempt", t)
		}
	}},
	{"Turn", func(f *fixture) {
		f.claim(standing(1))
		f.many(3, letter{})
		first := f.handed(true)
		t, err := f.turn(standing(1), spool.Outcome{Task: first[0], State: spool.Sent, ConvoID: 5})
		if err != nil || len(t.Ended) != 1 || t.Ended[0].Err != nil || queueIDs(t.Tasks) != "Q2" {
			f.Errorf("ended %+v, claimed %v (%v), want one each", t.Ended, names(t.Tasks), err)
		}
	}},
	{"TurnOfNothing", func(f *fixture) { // it claims nothing, and what it makes room for stands
		f.claim(standing(1))
		f.send(letter{})
		due := f.now.Add(time.Hour)
		o := spool.Outcome{Task: f.handed(false)[0], State: spool.Deferred, Due: due}
		t, err := f.turn(standing(1), o)
		if err != nil || len(t.Tasks) != 0 || !t.Next.Equal(due) {
			f.Errorf("claimed %v, next %v (%v), want nothing before %v", names(t.Tasks), t.Next, err, due)
		}
		f.send(letter{})
		if tasks := f.handed(false); queueIDs(tasks) != "Q2" {
			f.Errorf("handed %s, want the next", queueIDs(tasks))
		}
	}},
	{"TurnAfterRelease", func(f *fixture) { // what a hold kept back may begin
		at := spool.Destination{Team: "shop", Route: "news"}
		if err := f.Hold(f.Context(), f.now, spool.Hold{Team: at.Team, Route: at.Route}, nil); err != nil {
			f.Fatal(err)
		}
		f.send(letter{route: "news"})
		f.claim(standing(9))
		if _, err := f.Release(f.Context(), f.now, at, nil); err != nil {
			f.Fatal(err)
		}
		if t, err := f.turn(standing(9)); err != nil || queueIDs(t.Tasks) != "Q1" {
			f.Errorf("claimed %s (%v), want the one that was held", queueIDs(t.Tasks), err)
		}
	}},
	{"TurnAllOrNothing", func(f *fixture) {
		f.claim(standing(1))
		f.many(2, letter{})
		task := f.handed(true)[0]
		bad := spool.Outcome{Task: task, State: spool.Ready}
		if _, err := f.turn(standing(1), bad); err == nil {
			f.Error("an outcome that is none was recorded")
		}
		if d := f.detail("Q1"); d.State != "active" {
			f.Errorf("the request is %s, want active", d.State)
		}
	}},
}

func (f *fixture) turn(room spool.Capacity, outcomes ...spool.Outcome) (spool.Turned, error) {
	return f.Turn(f.Context(), f.now, slices.Clone(outcomes), lease, room)
}
