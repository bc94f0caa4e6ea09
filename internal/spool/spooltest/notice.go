package spooltest

import (
	"context"
	"errors"
	"reflect"
	"time"

	"heyrelay/internal/spool"
)

// noticeCases test which notices leave, and when.
var noticeCases = []testCase{
	{"Report", func(f *fixture) { // with everything that a sender wants to know
		m := f.write(letter{to: []string{"alice", "bob"}, subject: "Printer on fire"})
		m.EnvelopeID, m.Return = "env-1", "HDRS"
		m.Requests[0].DSN = []spool.DSN{{Notify: []string{spool.NotifyFailure}, Original: "rfc822;al@example.com"}, {}}
		f.accept(m)
		task := f.claimOne()
		if !reflect.DeepEqual(task.DSN, m.Requests[0].DSN) {
			f.Errorf("the task asks for %+v, want %+v", task.DSN, m.Requests[0].DSN)
		}
		f.now = f.now.Add(time.Second)
		f.done(spool.Outcome{
			Task:    task,
			State:   spool.Failed,
			Unknown: true,
			Status:  400,
			APIID:   "req-1",
			Reason:  "bad targets",
			Report:  spool.FailedAction,
		})
		want := &spool.Report{
			Action:     spool.FailedAction,
			QueueID:    "Q1",
			LocalID:    "Q1-0",
			Accepted:   epoch,
			Sender:     "app@example.com",
			EnvelopeID: "env-1",
			Return:     "HDRS",
			Title:      "Printer on fire",
			Raw:        m.Raw,
			Reason:     "bad targets",
			Status:     400,
			APIID:      "req-1",
			Tried:      epoch,
			Unknown:    true,
			Recipients: []spool.ReportRecipient{
				{Address: "alice@example.com", DSN: m.Requests[0].DSN[0]},
				{Address: "bob@example.com"},
			},
		}
		n := f.notice(spool.Mail)
		if n.Happened != f.now || n.Tries != 0 || !reflect.DeepEqual(n.Report, want) {
			f.Errorf("the notice is %+v about %+v, want %+v", n, n.Report, want)
		}
	}},
	{"ConfirmedRefusal", func(f *fixture) { // it is about the refusal, not about the check that confirmed it
		f.again(f.refusedReply(), spool.Outcome{
			Status:   400,
			APIID:    "req-refused",
			Reason:   "bad",
			Refused:  true,
			NextCall: spool.CheckConversation,
		})
		check := f.claimOne()
		if check.RefusedAPIID != "req-refused" {
			f.Errorf("the refusal has the X-Request-Id %q", check.RefusedAPIID)
		}
		f.done(spool.Outcome{
			Task:              check,
			State:             spool.Failed,
			Status:            200,
			APIID:             "req-check",
			Reason:            "bad (its conversation exists)",
			ConversationAlive: true,
			Report:            spool.FailedAction,
		})
		p := f.notice(spool.Mail).Report
		if p.Status != 400 || p.APIID != "req-refused" || p.Reason != "bad (its conversation exists)" {
			f.Errorf("the report says %d, %s, %q", p.Status, p.APIID, p.Reason)
		}
	}},
	{"UntilDone", func(f *fixture) { // a notice is lent, and due again unless it is done
		f.fail(letter{})
		n := f.notice(spool.Mail)
		if due, next := f.notices(spool.Mail); len(due) != 0 || !next.Equal(f.now.Add(lease)) {
			f.Errorf("%d notices are due, the next at %s, want none before %s", len(due), next, f.now.Add(lease))
		}
		f.reopen()
		f.now = f.now.Add(lease)
		if again := f.notice(spool.Mail); again.ID != n.ID || again.Tries != 0 {
			f.Errorf("after the lease notice %d is due with %d tries, want %d with none", again.ID, again.Tries, n.ID)
		}
		f.must(f.Defer(f.Context(), n.ID, f.now.Add(time.Minute)))
		if due, next := f.notices(spool.Mail); len(due) != 0 || !next.Equal(f.now.Add(time.Minute)) {
			f.Errorf("%d notices are due, the next at %s, want none before a minute is over", len(due), next)
		}
		f.now = f.now.Add(time.Minute)
		if again := f.notice(spool.Mail); again.Tries != 1 {
			f.Errorf("%d tries are counted, want 1", again.Tries)
		}
		f.must(f.Done(f.Context(), n.ID))
		f.now = f.now.Add(lease)
		if due, next := f.notices(spool.Mail); len(due) != 0 || !next.IsZero() {
			f.Errorf("%d notices are due, the next at %s, want none ever", len(due), next)
		}
	}},
	{"Ways", func(f *fixture) { // each way has its own notices, oldest first
		f.must(f.AddEvent(f.Context(), f.now, []byte("1")))
		f.now = f.now.Add(time.Second)
		f.hold(spool.Hold{Route: "support", Reason: "why"})
		f.must(f.Hold(f.Context(), f.now, spool.Hold{Team: "shop", Route: "support", Reason: "why"}, []byte("2")))
		f.now = f.now.Add(time.Second)
		at := spool.Destination{Team: "shop", Route: "support"}
		if _, err := f.Release(f.Context(), f.now, at, []byte("3")); err != nil {
			f.Fatal(err)
		}
		if _, err := f.Release(f.Context(), f.now, at, []byte("not held")); err != nil {
			f.Fatal(err)
		}
		f.now = f.now.Add(time.Second)
		f.send(letter{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Flagged, Event: []byte("4")})
		due, _ := f.notices(spool.Hook)
		got := ""
		for _, n := range due {
			got += string(n.Event) + " "
		}
		if got != "1 2 3 4 " {
			f.Errorf("the events are %q, want 1 2 3 4", got)
		}
		if due, _ := f.notices(spool.Mail); len(due) != 0 {
			f.Errorf("%d reports are due, want none", len(due))
		}
	}},
	{"Lost", func(f *fixture) { // an answer that changes nothing leaves no notice
		f.send(letter{})
		old := f.claimOne()
		f.now = f.now.Add(lease)
		f.claimOne()
		f.finish(spool.Outcome{Task: old, State: spool.Failed, Report: spool.FailedAction, Event: []byte("{}")})
		f.silent()
	}},
	{"NotBefore", func(f *fixture) { // while the reply may contain the outcome, no report leaves
		m := f.write(letter{})
		m.ReportsAfter = f.now.Add(15 * time.Second)
		f.accept(m)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction})
		if due, next := f.notices(spool.Mail); len(due) != 0 || !next.Equal(m.ReportsAfter) {
			f.Errorf("%d reports are due, the next at %s, want none before %s", len(due), next, m.ReportsAfter)
		}
		f.now = m.ReportsAfter
		f.notice(spool.Mail)
	}},
	{"Released", func(f *fixture) { // the reply did not contain it: the report leaves, and no other
		m := f.write(letter{})
		m.ReportsAfter = f.now.Add(15 * time.Second)
		f.accept(m)
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction})
		f.must(f.ReleaseReports(f.Context(), f.now, "Q2"))
		if due, _ := f.notices(spool.Mail); len(due) != 0 {
			f.Error("the report left for another message's reply")
		}
		f.must(f.ReleaseReports(f.Context(), f.now, "Q1"))
		f.notice(spool.Mail)
		f.must(f.ReleaseReports(f.Context(), f.now, "Q1"))
		if due, _ := f.notices(spool.Mail); len(due) != 0 {
			f.Error("the report was taken, and leaves again")
		}
	}},
	{"NotBeforeAgain", func(f *fixture) { // nor while the client of a repeat may be
		l := letter{id: "m", window: day}
		f.fail(l)
		m := f.write(l)
		m.ReportsAfter = f.now.Add(15 * time.Second)
		if r := f.accept(m); r.Revived != 1 {
			f.Errorf("the receipt is %+v, want one revived", r)
		}
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction})
		if due, next := f.notices(spool.Mail); len(due) != 0 || !next.Equal(m.ReportsAfter) {
			f.Errorf("%d reports are due, the next at %s, want none before %s", len(due), next, m.ReportsAfter)
		}
	}},
	{"Suppressed", func(f *fixture) { // the reply contained the outcome: no report, but an event
		f.send(letter{})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction, Event: []byte("{}")})
		f.must(f.SuppressReports(f.Context(), "Q1"))
		if due, _ := f.notices(spool.Mail); len(due) != 0 {
			f.Errorf("%d reports are due, want none", len(due))
		}
		f.notice(spool.Hook)
	}},
	{"TriedAgain", func(f *fixture) { // what is queued again has not failed
		f.fail(letter{})
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q1"), spool.RetryOptions{}))
		f.silent()
	}},
	{"DelayOnce", func(f *fixture) {
		f.send(letter{})
		task := f.claimOne()
		f.done(
			spool.Outcome{
				Task:   task,
				State:  spool.Deferred,
				Due:    f.now.Add(time.Second),
				Report: spool.DelayedAction,
				Until:  f.now.Add(day),
			},
		)
		if n := f.notice(spool.Mail); task.Delayed || n.Report.Action != spool.DelayedAction ||
			!n.Report.Until.Equal(f.now.Add(day)) {
			f.Errorf("the task says Delayed %v, the report %s until %s", task.Delayed, n.Report.Action, n.Report.Until)
		}
		f.now = f.now.Add(time.Second)
		if !f.claimOne().Delayed {
			f.Error("the second attempt does not know that the delay was reported")
		}
	}},
	{"Consistent", func(f *fixture) { // nothing is reported that did not happen
		f.send(letter{})
		task := f.claimOne()
		for state, action := range map[spool.State]spool.Action{
			spool.Sent:    spool.FailedAction,
			spool.Failed:  spool.RelayedAction,
			spool.Flagged: spool.RelayedAction,
		} {
			o := spool.Outcome{Task: task, State: state, Report: action}
			if _, err := f.Finish(f.Context(), f.now, o); err == nil {
				f.Errorf("%s was reported as %s", state, action)
			}
		}
		f.silent()
	}},
	{"DoneTooLate", func(f *fixture) { // it is not there any more, and ends no other
		l := letter{id: "p", window: day}
		fail := func() {
			f.send(l) // the second time, it is tried again, and has not failed
			f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction})
		}
		fail()
		late := f.notice(spool.Mail)
		fail()
		f.must(f.Defer(f.Context(), late.ID, f.now.Add(day)))
		f.must(f.Done(f.Context(), late.ID))
		f.notice(spool.Mail)
	}},
	{"Forgotten", func(f *fixture) {
		f.fail(letter{})
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "alice@example.com"))
		f.silent()
	}},
	{"Pruned", func(f *fixture) {
		f.fail(letter{})
		f.now = f.now.Add(61 * day)
		f.prune()
		f.gone("Q1", true)
		f.silent()
	}},
	{"ClockBack", func(f *fixture) { // a year ahead, and back: nothing waits a year
		f.now = f.now.Add(365 * day)
		f.fail(letter{})
		f.notice(spool.Mail)
		f.now = epoch
		f.notice(spool.Mail)
	}},
}

// waitCases say when Wait returns.
var waitCases = []testCase{
	{"Ended", func(f *fixture) {
		f.send(letter{blind: []string{"bob"}})
		tasks := f.claim()
		f.sent(tasks[0], 7)
		f.done(
			spool.Outcome{
				Task:    tasks[1],
				State:   spool.Failed,
				Unknown: true,
				Status:  400,
				APIID:   "req-1",
				Reason:  "bad",
			},
		)
		got, err := f.Wait(f.Context(), "Q1")
		want := []spool.RequestStatus{
			{State: spool.Sent, ConvoID: 7, MessageID: 1000 + tasks[0].Request, Status: 200},
			{State: spool.Failed, Unknown: true, Status: 400, APIID: "req-1", Reason: "bad"},
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			f.Errorf("Wait: %+v (%v), want %+v", got, err, want)
		}
	}},
	{"Nothing", func(f *fixture) {
		if _, err := f.Wait(f.Context(), "Q9"); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("Wait: %v, want ErrNotFound", err)
		}
	}},
	{"Context", func(f *fixture) { // who waits no longer learns where it stands
		f.send(letter{})
		ctx, cancel := context.WithCancel(f.Context())
		cancel()
		got, err := f.Wait(ctx, "Q1")
		if err != nil || len(got) != 1 || got[0].State != spool.Ready {
			f.Errorf("Wait: %+v (%v), want one that is ready", got, err)
		}
	}},
	{"Finish", func(f *fixture) { f.waitFor(func(t *spool.Task) { f.sent(t, 7) }, spool.Sent) }},
	{"Operator", func(f *fixture) { // another process ended it
		f.waitFor(func(t *spool.Task) {
			f.must(f.Unclaim(f.Context(), t))
			f.moved(spool.Moved{Requests: 1})(f.operator.Drop(f.Context(), f.now, only("Q1")))
		}, spool.Dropped)
	}},
}

// waitFor waits for a message whose one request is ended meanwhile.
func (f *fixture) waitFor(end func(*spool.Task), want spool.State) {
	f.send(letter{})
	task := f.claimOne()
	done := make(chan []spool.RequestStatus)
	go func() {
		got, err := f.Wait(f.Context(), "Q1")
		if err != nil {
			f.Errorf("Wait: %v", err)
		}
		done <- got
	}()
	select {
	case got := <-done:
		f.Fatalf("Wait returned %+v while the call was under way", got)
	default:
	}
	end(task)
	if got := <-done; len(got) != 1 || got[0].State != want {
		f.Errorf("Wait: %+v, want one that is %s", got, want)
	}
}

// fail lets the one request of a letter fail, with a report.
func (f *fixture) fail(l letter) {
	f.Helper()
	f.send(l)
	f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction, Event: []byte("{}")})
	f.must(f.Done(f.Context(), f.notice(spool.Hook).ID))
}

// notices takes what is due of a way.
func (f *fixture) notices(way spool.Way) ([]spool.Notice, time.Time) {
	f.Helper()
	due, next, err := f.Notices(f.Context(), f.now, lease, way, 100)
	if err != nil {
		f.Fatalf("Notices: %v", err)
	}
	return due, next
}

// notice takes the one notice that is due of a way.
func (f *fixture) notice(way spool.Way) spool.Notice {
	f.Helper()
	due, _ := f.notices(way)
	if len(due) != 1 {
		f.Fatalf("%d notices are due, want one", len(due))
	}
	return due[0]
}

// silent fails the test where a notice waits.
func (f *fixture) silent() {
	f.Helper()
	for _, way := range []spool.Way{spool.Mail, spool.Hook} {
		if due, next := f.notices(way); len(due) != 0 || !next.IsZero() {
			f.Errorf("%d notices of way %d are due, the next at %s, want none ever", len(due), way, next)
		}
	}
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}
