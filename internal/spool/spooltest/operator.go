package spooltest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// operatorCases say what a person can do, beside the process that serves.
var operatorCases = []testCase{
	{"RetryFailed", func(f *fixture) { // to the end of its lane, under its local_id
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Unknown: true, Status: 400})
		f.moved(
			spool.Moved{Requests: 1, MaybeSent: 1},
		)(
			f.operator.Retry(f.Context(), f.now, only("Q1"), spool.RetryOptions{}),
		)
		first := f.claimOne()
		f.sent(first, 7)
		if second := f.claimOne(); first.QueueID != "Q2" || second.LocalID != "Q1-0" || second.Attempt != 2 ||
			!second.Unknown {
			f.Errorf("claimed %s, then %+v; want the reply first", first.QueueID, second)
		}
	}},
	{"RetryDeferred", func(f *fixture) { // due at once
		f.many(2, letter{})
		for _, t := range f.claim() {
			f.deferTask(t, time.Hour)
		}
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q2"), spool.RetryOptions{}))
		if got := queueIDs(f.claim()); got != "Q2" {
			f.Errorf("claimed %q, want Q2", got)
		}
	}},
	{"RetryLeavesAlone", func(f *fixture) { // what is under way, waits, or was sent
		f.many(2, letter{})
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.many(1, letter{})
		f.moved(
			spool.Moved{Busy: 1},
		)(
			f.operator.Retry(f.Context(), f.now, spool.Filter{}, spool.RetryOptions{Anew: true, NewLocalID: serial()}),
		)
		f.sent(tasks[1], 8)
	}},
	{"RetryAnew", func(f *fixture) {
		f.many(2, letter{})
		tasks := f.claim()
		f.done(spool.Outcome{Task: tasks[0], State: spool.Flagged})
		f.done(spool.Outcome{Task: tasks[1], State: spool.Failed, Unknown: true})
		f.moved(
			spool.Moved{Requests: 1, MaybeSent: 1},
		)(
			f.operator.Retry(f.Context(), f.now, spool.Filter{}, spool.RetryOptions{}),
		)
		o := spool.RetryOptions{Anew: true, NewLocalID: serial()}
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q1"), o))
		for _, task := range f.claim() {
			if task.QueueID == "Q1" && (task.LocalID != "new-1" || task.Unknown || task.Sends != nil) {
				f.Errorf("claimed %+v, want a new local_id that was never sent", task)
			}
		}
	}},
	{"RetryMoves", func(f *fixture) { // to another scope: a conversation of its own
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "r", cites: []string{"p"}, blind: []string{"bob"}})
		o := spool.RetryOptions{Route: "sales", Team: "bank", Inbox: 9}
		f.moved(spool.Moved{Requests: 2})(f.operator.Retry(f.Context(), f.now, only("Q2"), o))
		if len(f.claim()) != 0 {
			f.Error("the old team claimed what was moved")
		}
		for _, task := range f.claim(room("bank")) {
			if task.Route != "sales" || task.Inbox != 9 || task.ConvoID != 0 {
				f.Errorf("claimed %+v, want an opener in the new scope", task)
			}
		}
	}},
	{"RetryMovesALane", func(f *fixture) { // in its order, into one conversation
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.send(letter{id: "s", cites: []string{"r"}, blind: []string{"bob"}})
		o := spool.RetryOptions{Route: "sales", Team: "bank", Inbox: 9}
		f.moved(spool.Moved{Requests: 4})(f.operator.Retry(f.Context(), f.now, spool.Filter{}, o))
		tasks := f.claim(room("bank"))
		if got := queueIDs(tasks); got != "Q1 Q3" || tasks[0].ConvoID != 0 {
			f.Fatalf("claimed %s, want the opener and the blind request", got)
		}
		f.sent(tasks[0], 7)
		f.sent(tasks[1], 8)
		for _, id := range []string{"Q2", "Q3"} {
			task := f.claim(room("bank"))[0]
			if task.QueueID != id || task.ConvoID != 7 || task.Inbox != 9 {
				f.Errorf("claimed %s to %d, want %s to 7", task.QueueID, task.ConvoID, id)
			}
			f.sent(task, 7)
		}
		if d := f.detail("Q2"); !d.Joined || d.By != "cites p" {
			f.Errorf("the first reply is %+v", d)
		}
	}},
	{"RetryMovesALaneInSteps", func(f *fixture) { // what follows joins what was moved before, as if at once
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.send(letter{id: "s", cites: []string{"r"}})
		o := spool.RetryOptions{Route: "sales", Team: "bank", Inbox: 9}
		move := func(id string) {
			f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only(id), o))
		}
		move("Q1")
		f.sent(f.claim(room("bank"))[0], 7)
		f.apart("Q1", "Q2")
		f.reopen()
		move("Q2")
		f.together("Q1", "Q2")
		if task := f.claim(room("bank"))[0]; task.ConvoID != 7 {
			f.Errorf("the reply goes to %d, want 7", task.ConvoID)
		}
		o.Inbox = 10
		move("Q3")
		f.apart("Q1", "Q3")
	}},
	{"RetryMovesToTheRoutesInbox", func(f *fixture) { // which is another one now
		f.send(letter{inbox: 201})
		f.send(letter{})
		o := spool.RetryOptions{Route: "support", Team: "shop", Inbox: 202}
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, spool.Filter{Route: "support"}, o))
		for _, task := range f.claim() {
			if task.Inbox != 202 {
				f.Errorf("%s goes to inbox %d, want 202", task.QueueID, task.Inbox)
			}
		}
	}},
	{"RetryMovesWithinScope", func(f *fixture) { // its conversation stays
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "r", cites: []string{"p"}})
		o := spool.RetryOptions{Route: "other", Team: "shop", Inbox: 202}
		f.moved(
			spool.Moved{Requests: 1},
		)(
			f.operator.Retry(f.Context(), f.now, spool.Filter{States: []spool.State{spool.Ready}}, o),
		)
		if task := f.claimOne(); task.Route != "other" || task.ConvoID != 7 {
			f.Errorf("claimed %+v, want a reply to 7 on the new route", task)
		}
	}},
	{"Drop", func(f *fixture) { // says what may have been sent; the lane goes on
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Deferred, Due: f.now.Add(time.Hour), Unknown: true})
		f.moved(spool.Moved{Requests: 1, MaybeSent: 1})(f.operator.Drop(f.Context(), f.now, only("Q1")))
		f.state("Q1", spool.Dropped)
		if task := f.claimOne(); task.QueueID != "Q2" {
			f.Errorf("claimed %s, want Q2", task.QueueID)
		}
		f.moved(spool.Moved{Busy: 1})(f.operator.Drop(f.Context(), f.now, only("Q2")))
		f.moved(spool.Moved{})(f.operator.Drop(f.Context(), f.now, only("Q1")))
	}},
	{"HoldRelease", func(f *fixture) { // the head and the request behind it
		f.send(letter{id: "p"})
		f.send(letter{id: "r", cites: []string{"p"}})
		f.moved(spool.Moved{Requests: 2})(f.operator.Hold(f.Context(), f.now, spool.Filter{}, "look at it first"))
		if tasks, next := f.claimNext(); len(tasks) != 0 || !next.IsZero() {
			f.Errorf("claimed %s of what is held", queueIDs(tasks))
		}
		if s := f.detail("Q2"); s.State != "held" || s.HoldLevel != "request" || s.Reason != "look at it first" {
			f.Errorf("what is held behind a head is %s, %q", s.State, s.Reason)
		}
		f.moved(spool.Moved{Requests: 1})(f.operator.Release(f.Context(), f.now, only("Q1")))
		f.sent(f.claimOne(), 7)
		f.state("Q2", spool.Held)
		if tasks := f.claim(); len(tasks) != 0 {
			f.Errorf("claimed %s, which is held by itself", queueIDs(tasks))
		}
		f.moved(spool.Moved{Requests: 1})(f.operator.Release(f.Context(), f.now, only("Q2")))
		if task := f.claimOne(); task.QueueID != "Q2" || task.ConvoID != 7 {
			f.Errorf("claimed %s to %d, want Q2 to 7", task.QueueID, task.ConvoID)
		}
	}},
	{"Filters", func(f *fixture) {
		f.send(letter{to: []string{"alice"}, route: "a"})
		f.send(letter{to: []string{"bob"}, route: "b"})
		f.now = f.now.Add(time.Hour)
		f.send(letter{to: []string{"bob"}, route: "a"})
		f.moved(
			spool.Moved{Requests: 1},
		)(
			f.operator.Drop(f.Context(), f.now, spool.Filter{Recipient: "Bob@example.com", Before: f.now}),
		)
		f.state("Q2", spool.Dropped)
		f.moved(spool.Moved{Requests: 2})(f.operator.Drop(f.Context(), f.now, spool.Filter{Route: "a"}))
		f.list(only("Q3", "Q1", "Q3"), "Q3 Q1")
		if _, err := f.operator.Drop(f.Context(), f.now, only("Q9")); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("a queue id that does not exist: %v, want ErrNotFound", err)
		}
	}},
	{"Forget", func(f *fixture) { // nothing of the recipient is left, and the ledger still counts
		f.send(letter{id: "p", body: "secret", subject: "Private", blind: []string{"bob"}})
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.done(spool.Outcome{Task: tasks[1], State: spool.Failed, Status: 400, Reason: "bob@example.com is bad"})
		f.send(letter{id: "r", cites: []string{"p"}, to: []string{"alice"}, subject: "Private"})
		f.moved(spool.Moved{Requests: 2})(f.operator.Forget(f.Context(), f.now, "Alice@example.com"))
		f.state("Q2", spool.Dropped)
		s, err := f.Show(f.Context(), "Q1")
		if err != nil || s.Title != "" || len(s.Requests[0].To) != 0 || len(s.Requests[1].To) != 1 {
			f.Errorf("the details are %+v (%v), want one without alice", s, err)
		}
		f.moved(spool.Moved{})(f.operator.Retry(f.Context(), f.now, spool.Filter{}, spool.RetryOptions{}))
		f.send(letter{id: "s", cites: []string{"p"}})
		if task := f.claimOne(); task.ConvoID != 0 {
			f.Errorf("a new message joined the forgotten conversation %d", task.ConvoID)
		}
		f.stats("support", map[string]int{"sent": 1, "failed": 1, "dropped": 1, "active": 1})
	}},
	{"ForgetOne", func(f *fixture) { // a repeat of its message does not send to it again, whatever else it revives
		l := letter{id: "p", window: day, blind: []string{"bob"}}
		f.send(l)
		for _, task := range f.claim() {
			f.deferTask(task, time.Hour)
		}
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "bob@example.com"))
		if r := f.send(l); !r.Duplicate || r.Revived != 0 {
			f.Errorf("the receipt is %+v, want a repeat that revives nothing", r)
		}
		f.moved(
			spool.Moved{},
		)(
			f.operator.Retry(
				f.Context(),
				f.now,
				spool.Filter{States: []spool.State{spool.Dropped}},
				spool.RetryOptions{},
			),
		)
		f.now = f.now.Add(time.Hour)
		if task := f.claimOne(); slices.Contains(task.To, "bob@example.com") {
			f.Errorf("claimed a request to %v", task.To)
		}
	}},
	{"ForgetParent", func(f *fixture) { // replies to what was forgotten share a conversation, a new one
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "alice@example.com"))
		f.send(letter{id: "r", cites: []string{"p"}})
		f.send(letter{id: "s", cites: []string{"p"}})
		f.together("Q2", "Q3")
		f.apart("Q1", "Q2")
	}},
	{"ForgetConversation", func(f *fixture) { // that was moved, or whose messages were deleted
		f.send(letter{id: "p"})
		f.sent(f.claimOne(), 7)
		f.send(letter{id: "q"})
		deleted, moved := f.conversation("Q1"), f.conversation("Q2")
		o := spool.RetryOptions{Route: "sales", Team: "bank", Inbox: 9}
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q2"), o))
		f.now = f.now.Add(31 * day)
		f.prune()
		f.gone("Q1", true)
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "Alice@Example.com"))
		for _, id := range []int64{deleted, moved} {
			c, _, err := f.Conversation(f.Context(), id, 0, 1)
			if err != nil || slices.Contains(c.Participants, "alice@example.com") || c.ConvoID != 0 {
				f.Errorf("what is left is %+v (%v)", c, err)
			}
		}
		f.send(letter{id: "r", cites: []string{"p", "q"}})
		if task := f.claimOne(); task.ConvoID != 0 {
			f.Errorf("a reply goes to %d, want a new conversation", task.ConvoID)
		}
	}},
	{"ForgetAgain", func(f *fixture) { // what was active at first
		f.send(letter{to: []string{"alice", "bob"}, blind: []string{"bob"}})
		task := f.claim(one("shop"))[0]
		f.moved(spool.Moved{Requests: 1, Busy: 1})(f.operator.Forget(f.Context(), f.now, "bob@example.com"))
		f.must(f.Unclaim(f.Context(), task))
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "bob@example.com"))
		f.moved(spool.Moved{})(f.operator.Forget(f.Context(), f.now, "bob@example.com"))
	}},
	{"Stats", func(f *fixture) {
		f.many(3, letter{})
		f.send(letter{route: "news"})
		f.sent(f.claim(one("shop"))[0], 7)
		f.stats("news", map[string]int{"sent": 1})
		f.stats("support", map[string]int{"ready": 3})
	}},
	{"ChangedExternally", func(f *fixture) { // by another process, not by ourselves
		f.changed(false)
		f.send(letter{})
		f.changed(false)
		f.moved(spool.Moved{Requests: 1})(f.operator.Drop(f.Context(), f.now, only("Q1")))
		f.changed(true)
		f.changed(false)
	}},
	{"Many", func(f *fixture) { // more than one step
		f.many(1200, letter{})
		f.moved(spool.Moved{Requests: 1200})(f.operator.Drop(f.Context(), f.now, spool.Filter{}))
		f.moved(spool.Moved{Requests: 1200})(f.operator.Retry(f.Context(), f.now, spool.Filter{}, spool.RetryOptions{}))
		if task := f.claim(one("shop"))[0]; task.QueueID != "Q1" {
			f.Errorf("claimed %s first, want the oldest", task.QueueID)
		}
	}},
	{"ChosenAtFirst", func(f *fixture) { // not what a step has made such as the others
		for i := range 600 {
			f.send(letter{id: fmt.Sprint("p", i)})
		}
		for i := range 600 {
			f.send(letter{cites: []string{fmt.Sprint("p", i)}})
		}
		ready := spool.Filter{Recipient: "alice@example.com", States: []spool.State{spool.Ready}}
		f.moved(spool.Moved{Requests: 600})(f.operator.Drop(f.Context(), f.now, ready))
	}},
}

func only(queueIDs ...string) spool.Filter { return spool.Filter{QueueIDs: queueIDs} }

// serial gives new-1, new-2 and so on.
func serial() func() string {
	n := 0
	return func() string {
		n++
		return "new-" + strings.Repeat("1", n)
	}
}

// moved returns a check of what a verb returned.
func (f *fixture) moved(want spool.Moved) func(spool.Moved, error) {
	return func(got spool.Moved, err error) {
		f.Helper()
		got = spool.Moved{Requests: got.Requests, MaybeSent: got.MaybeSent, Busy: got.Busy} // stands has the rest
		if !reflect.DeepEqual(got, want) || err != nil {
			f.Errorf("it moved %+v (%v), want %+v", got, err, want)
		}
	}
}

func (f *fixture) changed(want bool) {
	f.Helper()
	if got, err := f.ChangedExternally(f.Context()); got != want || err != nil {
		f.Errorf("Changed is %v (%v), want %v", got, err, want)
	}
}

// stats fails the test unless the ledger of a route is this one.
func (f *fixture) stats(route string, want map[string]int) {
	f.Helper()
	list, err := f.operator.Stats(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range list {
		if s.Route == route && !maps.Equal(s.States, want) {
			f.Errorf("the ledger of %s is %v, want %v", route, s.States, want)
		}
	}
}
