package spooltest

import (
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// holdCases say what a hold keeps back, what finds out that it may end, and
// what comes then.
var holdCases = []testCase{
	{"Route", func(f *fixture) { // its heads are jumped over, whatever their class, and others flow
		f.many(3, letter{route: "b", priority: spool.High})
		f.many(2, letter{route: "a", priority: spool.Bulk})
		f.many(2, letter{route: "c"})
		f.hold(spool.Hold{Route: "b", Reason: "403"})
		tasks, next := f.claimNext()
		if got := queueIDs(tasks); got != "Q6 Q7 Q4 Q5" {
			f.Errorf("claimed %s, want those of routes a and c", got)
		}
		if !next.Equal(f.now.Add(lease)) {
			f.Errorf("next is %s, want the end of the lease", next)
		}
		f.release("b", 0)
		if got := queueIDs(f.claim()); got != "Q1 Q2 Q3" {
			f.Errorf("after the release claimed %s, want all of route b", got)
		}
	}},
	{"Search", func(f *fixture) { // sends nothing: it waits for no probe, but for an operator
		f.send(letter{})
		f.done(spool.Outcome{
			Task: f.claimOne(), State: spool.Deferred, Due: f.now, Unknown: true, NextCall: spool.FindMessage,
		})
		h := spool.Hold{Team: "shop", Route: "support", Reason: "403", Probe: f.now.Add(time.Hour)}
		f.must(f.operator.HoldDestination(f.Context(), f.now, h))
		if tasks := f.claim(); len(tasks) > 0 {
			f.Errorf("claimed %s although an operator holds its route", queueIDs(tasks))
		}
		_, err := f.operator.ReleaseDestination(f.Context(), f.now, h.Destination())
		f.must(err)
		h.Probe = f.now.Add(11 * 24 * time.Hour)
		f.hold(h)
		f.now = f.now.Add(10 * 24 * time.Hour)
		task := f.claimOne()
		if task.Call != spool.FindMessage || task.Probe || !task.TrialSince.Equal(f.now) {
			f.Errorf("claimed %+v, want the search, no probe, under trial since now", task)
		}
		f.done(spool.Outcome{Task: task, State: spool.Deferred, Due: f.now, ProvenAbsent: true})
		if tasks := f.claim(); len(tasks) > 0 {
			f.Errorf("claimed %s before the probe", queueIDs(tasks))
		}
	}},
	{"Team", func(f *fixture) {
		f.many(2, letter{})
		f.send(letter{team: "bank"})
		f.hold(spool.Hold{Reason: "401", Probe: f.now})
		r := room("shop")
		r.Probe = time.Minute
		if tasks, next := f.claimNext(r); len(tasks) != 0 || !next.IsZero() {
			f.Errorf("claimed %s of a held team, next %s", queueIDs(tasks), next)
		}
		if len(f.claim(room("bank"))) != 1 {
			f.Error("another team is held, too")
		}
		f.release("", 0)
		if n := len(f.claim()); n != 2 {
			f.Errorf("after the release claimed %d, want 2", n)
		}
	}},
	{"Probe", func(f *fixture) { // one each time, until it is released
		f.many(5, letter{})
		r := room("shop")
		r.Probe = time.Minute
		f.hold(spool.Hold{Route: "support", Probe: f.now.Add(time.Second)})
		if tasks, next := f.claimNext(r); len(tasks) != 0 || !next.Equal(f.now.Add(time.Second)) {
			f.Errorf("before the probe claimed %s, next %s", queueIDs(tasks), next)
		}
		for i, want := range []string{"Q1", "Q2"} {
			f.now = epoch.Add(time.Second + time.Duration(i)*r.Probe)
			tasks, next := f.claimNext(r)
			if queueIDs(tasks) != want || !tasks[0].Probe || next.After(f.now.Add(r.Probe)) {
				f.Fatalf("probe %d: claimed %s, next %s; want %s alone", i, queueIDs(tasks), next, want)
			}
			f.deferTask(tasks[0], time.Hour)
		}
		f.release("support", 2)
		if tasks := f.claim(r); len(tasks) != 5 || tasks[0].Probe {
			f.Errorf("after the release claimed %s, want all", queueIDs(tasks))
		}
	}},
	{"ProbeNever", func(f *fixture) { // where none is wanted
		f.send(letter{})
		f.hold(spool.Hold{Route: "support"})
		r := room("shop")
		r.Probe = time.Minute
		if tasks, next := f.claimNext(r); len(tasks) != 0 || !next.IsZero() {
			f.Errorf("claimed %s, next %s", queueIDs(tasks), next)
		}
		f.hold(spool.Hold{Route: "support", Probe: f.now})
		if tasks, next := f.claimNext(); len(tasks) != 0 || !next.IsZero() {
			f.Errorf("without probes claimed %s, next %s", queueIDs(tasks), next)
		}
	}},
	{"ProbeOfNothing", func(f *fixture) { // a held route without mail is never due
		f.send(letter{route: "other"})
		f.hold(spool.Hold{Route: "support", Probe: f.now})
		r := room("shop")
		r.Probe = time.Minute
		tasks, next := f.claimNext(r)
		if len(tasks) != 1 || tasks[0].Probe || !next.Equal(f.now.Add(lease)) {
			f.Errorf("claimed %s, next %s", queueIDs(tasks), next)
		}
	}},
	{"ReleaseMakesDue", func(f *fixture) { // the deferred requests of that route, and of no other
		f.many(3, letter{})
		f.send(letter{route: "other"})
		for _, t := range f.claim() {
			f.deferTask(t, time.Hour)
		}
		f.hold(spool.Hold{Route: "support"})
		f.release("other", 0) // is not held
		f.release("support", 3)
		if got := queueIDs(f.claim()); got != "Q1 Q2 Q3" {
			f.Errorf("claimed %s, want the deferred requests of the route", got)
		}
	}},
	{"MakeDue", func(f *fixture) { // more than one step, the order accepted, and no other team
		const n = 1100
		f.many(n, letter{})
		f.send(letter{team: "bank"})
		big := spool.Capacity{Team: "shop", Rate: plenty, Free: n}
		var outcomes []spool.Outcome
		for _, t := range f.claim(big, room("bank")) {
			outcomes = append(outcomes, spool.Outcome{Task: t, State: spool.Deferred, Due: f.now.Add(time.Hour)})
		}
		if _, err := f.Finish(f.Context(), f.now, outcomes...); err != nil {
			f.Fatal(err)
		}
		if made, err := f.MakeDue(f.Context(), f.now, "shop"); made != n || err != nil {
			f.Errorf("%d became due (%v), want %d", made, err, n)
		}
		tasks := f.claim(big, room("bank"))
		if len(tasks) != n || tasks[0].QueueID != "Q1" || tasks[n-1].QueueID != "Q1100" {
			f.Errorf("claimed %d, want %d in the order accepted", len(tasks), n)
		}
	}},
	{"Expiry", func(f *fixture) { // time behind a hold is no trial
		f.many(2, letter{})
		tasks := f.claim()
		f.deferTask(tasks[0], time.Hour)
		f.deferTask(tasks[1], time.Hour)
		f.hold(spool.Hold{Route: "support", Probe: f.now})
		f.now = f.now.Add(10 * 24 * time.Hour)
		r := room("shop")
		r.Probe = time.Minute
		probe := f.claim(r)[0]
		if !probe.TrialSince.Equal(f.now) {
			f.Errorf("a probe is under trial since %s, want now", probe.TrialSince)
		}
		f.deferTask(probe, time.Hour)
		f.release("support", 1)
		released := f.now
		f.now = f.now.Add(time.Minute)
		for _, task := range f.claim() {
			if !task.TrialSince.Equal(released) {
				f.Errorf("%s is under trial since %s, want the release", task.QueueID, task.TrialSince)
			}
		}
		f.send(letter{})
		if task := f.claimOne(); !task.TrialSince.Equal(f.now) {
			f.Errorf("a new one is under trial since %s, want now", task.TrialSince)
		}
	}},
	{"ClockChanged", func(f *fixture) { // the clock is set ahead and back again: nothing waits for another clock's time
		deferAll := func() {
			for _, task := range f.claim() {
				f.deferTask(task, time.Hour)
			}
		}
		f.send(letter{})
		deferAll()
		f.now = f.now.Add(365 * day)
		f.send(letter{})
		deferAll()
		f.hold(spool.Hold{Route: "support", Probe: f.now.Add(time.Minute)})
		f.release("support", 2)
		deferAll()
		f.now = epoch.Add(time.Minute)
		if made, err := f.ClockChanged(f.Context(), f.now, lease, "shop"); made != 2 || err != nil {
			f.Errorf("%d became due (%v), want the 2 that were deferred", made, err)
		}
		jumped := f.now
		f.claim() // finds the budget spent by the other clock
		f.now = f.now.Add(time.Minute)
		tasks := f.claim()
		if len(tasks) != 2 {
			f.Errorf("claimed %d, want 2", len(tasks))
		}
		for _, task := range tasks {
			if !task.TrialSince.Equal(jumped) {
				f.Errorf("%s is under trial since %s, want the jump", task.QueueID, task.TrialSince)
			}
		}
	}},
	{"ClockChangedUnderWay", func(f *fixture) { // what is active when the clock is set goes on, for as long as a lease
		f.send(letter{})
		f.claimOne()
		for _, jump := range []time.Duration{365 * day, -300 * day} {
			f.now = f.now.Add(jump)
			if _, err := f.ClockChanged(f.Context(), f.now, lease, "shop"); err != nil {
				f.Error(err)
			}
			if tasks, next := f.claimNext(); len(tasks) != 0 || !next.Equal(f.now.Add(lease)) {
				f.Errorf("after a jump by %v claimed %s, and what is active is lost at %s", jump, queueIDs(tasks), next)
			}
		}
	}},
	{"ClockChangedProbe", func(f *fixture) {
		f.send(letter{})
		f.hold(spool.Hold{Route: "support", Probe: f.now.Add(time.Hour)})
		if _, err := f.ClockChanged(f.Context(), f.now, lease, "shop"); err != nil {
			f.Error(err)
		}
		r := room("shop")
		r.Probe = time.Minute
		if n := len(f.claim(r)); n != 1 {
			f.Errorf("claimed %d, want the probe", n)
		}
	}},
	{"ExpiryTeam", func(f *fixture) {
		f.send(letter{})
		f.deferTask(f.claimOne(), 0)
		f.hold(spool.Hold{})
		f.now = f.now.Add(time.Hour)
		f.release("", 1)
		if task := f.claimOne(); !task.TrialSince.Equal(f.now) {
			f.Errorf("under trial since %s, want the release", task.TrialSince)
		}
	}},
	{"Inbox", func(f *fixture) { // what a route has for one inbox, and not what it has for another
		f.many(3, letter{inbox: 1})
		f.many(3, letter{inbox: 2})
		f.deferTask(f.claim(one("shop"))[0], time.Hour)
		f.deferTask(f.claim(one("shop"))[0], time.Hour)
		f.hold(spool.Hold{Route: "support", Inbox: 1, Reason: "not in the configuration", Probe: f.now})
		r := room("shop")
		r.Probe = time.Minute
		if got := queueIDs(f.claim(r)); got != "Q5 Q6" {
			f.Errorf("claimed %s, want what goes to inbox 2", got)
		}
		for _, id := range []string{"Q1", "Q2"} { // one is deferred, one is ready
			if s := f.detail(id); !strings.Contains(s.Reason, "not in the configuration") {
				f.Errorf("%s is on hold and has the reason %q, which does not explain it", id, s.Reason)
			}
		}
		f.release("support", 0) // is not held
		f.now = f.now.Add(lease / 2)
		f.releaseAt(spool.Destination{Team: "shop", Route: "support", Inbox: 1}, 1)
		tasks := f.claim()
		if got := queueIDs(tasks); got != "Q2 Q3 Q1" {
			f.Errorf("after the release claimed %s, want what goes to inbox 1", got)
		}
		if last := tasks[len(tasks)-1]; !last.TrialSince.Equal(f.now) {
			f.Errorf("%s is under trial since %s, want the release", last.QueueID, last.TrialSince)
		}
	}},
	{"TryHeld", func(f *fixture) { // one message of a held team, to find out whether it works again
		f.many(3, letter{})
		f.hold(spool.Hold{Reason: "401"})
		task := f.claim(spool.Capacity{Team: "shop", Rate: plenty, Free: 1, TryHeld: true})
		if len(task) != 1 || task[0].Probe {
			f.Fatalf("claimed %v, want one message that may fail as any other", task)
		}
		f.deferTask(task[0], time.Hour)
		if tasks := f.claim(); len(tasks) != 0 {
			f.Errorf("claimed %s of a team that is held still", queueIDs(tasks))
		}
		f.release("", 1)
	}},
	{"TryHeldTrial", func(f *fixture) { // goes on: credentials that pass the probe and no send keep nothing forever
		f.send(letter{})
		f.deferTask(f.claimOne(), 0)
		began := f.now
		f.hold(spool.Hold{Reason: "401"})
		f.now = f.now.Add(10 * 24 * time.Hour)
		task := f.claim(spool.Capacity{Team: "shop", Rate: plenty, Free: 1, TryHeld: true})[0]
		if !task.TrialSince.Equal(began) {
			f.Errorf("under trial since %s, want the first attempt", task.TrialSince)
		}
	}},
	{"TryHeldSends", func(f *fixture) { // of any class before a search, which could not end the hold
		f.many(1, letter{priority: spool.High})
		f.again(f.claimOne(), spool.Outcome{Unknown: true, NextCall: spool.FindMessage})
		f.many(1, letter{priority: spool.Bulk})
		f.hold(spool.Hold{Reason: "401"})
		room := spool.Capacity{Team: "shop", Rate: plenty, Free: 1, TryHeld: true, Searches: 1}
		for _, want := range []string{"Q2", "Q1"} {
			if got := queueIDs(f.claim(room)); got != want {
				f.Errorf("tried %s, want %s", got, want)
			}
		}
	}},
	{"ProbeUnrefused", func(f *fixture) { // a probe is a request that was not refused yet
		f.many(3, letter{priority: spool.High})
		f.many(1, letter{priority: spool.Bulk})
		r := room("shop")
		r.Probe = time.Minute
		for _, task := range f.claim() {
			if task.QueueID == "Q4" {
				f.deferTask(task, 0)
				continue
			}
			f.done(spool.Outcome{Task: task, State: spool.Deferred, Due: f.now, Status: 403, RouteRefused: true})
		}
		f.hold(spool.Hold{Route: "support", Probe: f.now})
		probe := func() *spool.Task {
			f.now = f.now.Add(r.Probe)
			tasks := f.claim(r)
			if len(tasks) != 1 || !tasks[0].Probe {
				f.Fatalf("claimed %v, want one probe", tasks)
			}
			return tasks[0]
		}
		refused := f.now
		first := probe()
		if first.QueueID != "Q4" || !first.RouteRefusedAt.IsZero() {
			f.Errorf("the probe is %s, want the one that was not refused, whatever its class", first.QueueID)
		}
		f.done(spool.Outcome{Task: first, State: spool.Deferred, Due: f.now, Status: 403, RouteRefused: true})
		second := probe()
		if second.QueueID != "Q1" || !second.RouteRefusedAt.Equal(refused) {
			f.Errorf("the probe is %s, refused at %v; want the oldest where all were refused",
				second.QueueID, second.RouteRefusedAt)
		}
		f.deferTask(second, time.Hour)
		f.send(letter{priority: spool.Bulk})
		if third := probe(); third.QueueID != "Q5" {
			f.Errorf("the probe is %s, want the newcomer", third.QueueID)
		}
	}},
	{"RefusalsEndWithTheTrial", func(f *fixture) {
		f.send(letter{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Status: 403, RouteRefused: true})
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q1"), spool.RetryOptions{}))
		if task := f.claimOne(); !task.RouteRefusedAt.IsZero() {
			f.Errorf("what was queued again was refused at %v", task.RouteRefusedAt)
		}
	}},
	{"Throttle", func(f *fixture) { // a 429 shuts the team, then halves its pace; kept over a restart
		f.many(20, letter{})
		r := spool.Capacity{Team: "shop", Rate: 60, Free: 100}
		began := f.now
		f.claim(r)
		f.now = f.now.Add(time.Second)
		got, err := f.Throttle(f.Context(), f.now, "shop", spool.TooMany{Rate: 60, Began: began, RetryAfter: time.Minute})
		until := f.now.Add(time.Minute)
		if err != nil || got.Rate != 30 || !got.Until.Equal(until) {
			f.Errorf("%+v (%v), want 30 a minute after a minute", got, err)
		}
		f.reopen()
		if same, err := f.Throttled(f.Context(), "shop"); err != nil || same.Rate != 30 || !same.Until.Equal(until) ||
			!same.Began.Equal(f.now) {
			f.Errorf("after the restart: %+v (%v)", same, err)
		}
		if tasks, next := f.claimNext(r); len(tasks) != 0 || next.After(until) {
			f.Errorf("claimed %s of a team that is shut, next %s", queueIDs(tasks), next)
		}
		if begin, err := f.Reserve(f.Context(), f.now, "shop", 60); err != nil || !begin.Equal(until) {
			f.Errorf("a reserved call may begin at %s (%v), want not before %s", begin, err, until)
		}
		f.now = until.Add(3 * time.Second)
		f.claim(r)
		if tasks, next := f.claimNext(r); len(tasks) != 0 || next.Sub(f.now) < 1500*time.Millisecond {
			f.Errorf("claimed %d, next in %s; want a call each two seconds", len(tasks), next.Sub(f.now))
		}
		if other, err := f.Throttled(f.Context(), "bank"); err != nil || other != (spool.Throttle{}) {
			f.Errorf("another team: %+v (%v)", other, err)
		}
	}},
	{"Holds", func(f *fixture) { // what, why, since when; kept over a restart
		f.hold(spool.Hold{Route: "support", Reason: "403"})
		f.hold(spool.Hold{Team: "bank", Reason: "401", Since: epoch.Add(-time.Hour)})
		f.now = f.now.Add(time.Hour)
		f.hold(spool.Hold{Route: "support", Reason: "403 still", Probe: f.now})
		f.reopen()
		want := []spool.Hold{
			{Team: "bank", Reason: "401", Since: epoch.Add(-time.Hour)},
			{Team: "shop", Route: "support", Reason: "403 still", Since: epoch, Probe: f.now},
		}
		gates, err := f.Holds(f.Context())
		if err != nil || len(gates) != 2 || gates[0] != want[0] || gates[1] != want[1] {
			f.Errorf("the gates are %+v (%v), want %+v", gates, err, want)
		}
		f.send(letter{})
		if len(f.claim()) != 0 {
			f.Error("the hold did not outlive the restart")
		}
		if s := f.detail("Q1"); !strings.Contains(s.Reason, "403 still") {
			f.Errorf("a request on hold has the reason %q, which does not explain it", s.Reason)
		}
	}},
}

// hold shuts a gate, of the team "shop" where none is named.
func (f *fixture) hold(g spool.Hold) {
	f.Helper()
	if g.Team == "" {
		g.Team = "shop"
	}
	if err := f.Hold(f.Context(), f.now, g, nil); err != nil {
		f.Fatalf("Hold: %v", err)
	}
}

// release ends a hold of the team "shop" and wants so many requests to become due.
func (f *fixture) release(route string, want int) {
	f.Helper()
	f.releaseAt(spool.Destination{Team: "shop", Route: route}, want)
}

func (f *fixture) releaseAt(at spool.Destination, want int) {
	f.Helper()
	made, err := f.Release(f.Context(), f.now, at, nil)
	if made != want || err != nil {
		f.Errorf("the release made %d due (%v), want %d", made, err, want)
	}
}
