package spooltest

import (
	"fmt"
	"time"

	"heyrelay/internal/spool"
)

// smarthostCases say what becomes of a message that leaves by the smarthost of its route.
var smarthostCases = []testCase{
	{"OneForEachRecipient", func(f *fixture) { // in one conversation
		r := f.mail(letter{id: "m", to: []string{"alice", "bob"}, blind: []string{"eve"}})
		if len(r.Joined) != 3 || r.Joined[0] != -1 || r.Joined[2] != -1 || r.SameID {
			f.Errorf("accepted as %+v", r)
		}
		tasks := f.claim(room("smarthost:support"))
		if len(tasks) != 3 || tasks[0].Team != "smarthost:support" || tasks[0].Call != spool.Send || !tasks[0].Detached {
			f.Fatalf("claimed %+v", tasks)
		}
		f.claims(0) // nothing is the API's
		d, err := f.Show(f.Context(), "Q1")
		if err != nil || len(d.Requests) != 3 || !d.Requests[0].Smarthost || d.Team != "shop" {
			f.Fatalf("%+v, %v", d, err)
		}
		one, two, blind := d.Requests[0], d.Requests[1], d.Requests[2]
		if one.Conversation != two.Conversation || one.Conversation == blind.Conversation {
			f.Errorf("conversations %d, %d and %d", one.Conversation, two.Conversation, blind.Conversation)
		}
	}},
	{"WaitsForNothing", func(f *fixture) { // of its conversation, nor the other way round
		f.send(letter{id: "m", to: []string{"alice", "bob"}})
		f.mail(letter{id: "n", cites: []string{"m"}, to: []string{"alice", "bob"}})
		f.send(letter{id: "o", cites: []string{"n"}, to: []string{"alice", "bob"}})
		if n := len(f.claim(room("smarthost:support"))); n != 2 {
			f.Errorf("%d are ready behind a pending opener, want 2", n)
		}
		first := f.claimOne()
		f.sent(first, 7)
		if t := f.claimOne(); t.QueueID != "Q3" || t.ConvoID != 7 {
			f.Errorf("the reply is %+v", t)
		}
	}},
	{"RepliesOpen", func(f *fixture) { // the conversation that its ids stand for
		f.mail(letter{id: "m", to: []string{"alice", "bob"}})
		f.send(letter{id: "r", cites: []string{"m"}, to: []string{"alice", "bob"}})
		if d := f.detail("Q2"); !d.Joined || d.By != "cites m" {
			f.Errorf("the reply is %+v", d)
		}
		if t := f.claimOne(); t.ConvoID != 0 {
			f.Errorf("the reply is sent to %d", t.ConvoID)
		}
	}},
	{"Retried", func(f *fixture) { // by an operator or a repeat: it goes on alone
		f.mail(letter{id: "m", to: []string{"alice"}, window: days})
		f.send(letter{id: "r", cites: []string{"m"}, to: []string{"alice"}})
		for _, again := range []func(){
			func() { f.mail(letter{id: "m", to: []string{"alice"}, window: days}) },
			func() {
				f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q1"), spool.RetryOptions{}))
			},
		} {
			tasks := f.claim(room("smarthost:support"))
			if len(tasks) != 1 {
				f.Fatalf("claimed %+v", tasks)
			}
			f.done(spool.Outcome{Task: tasks[0], State: spool.Failed, Status: 550})
			again()
		}
		f.state("Q1", spool.Ready)
	}},
	{"Moved", func(f *fixture) { // to the smarthost of another route
		f.mail(letter{id: "m"})
		to := spool.RetryOptions{Route: "bulk", Team: "bank", Inbox: 303}
		f.moved(spool.Moved{Requests: 1})(f.operator.Retry(f.Context(), f.now, only("Q1"), to))
		tasks := f.claim(room("smarthost:support"), room("smarthost:bulk"), room("bank"), room("shop"))
		if len(tasks) != 1 || tasks[0].Team != "smarthost:bulk" || tasks[0].Route != "bulk" || tasks[0].Inbox != 303 {
			f.Fatalf("claimed %+v", tasks)
		}
		c, _, err := f.Conversation(f.Context(), f.detail("Q1").Conversation, 0, 1)
		if err != nil || c.Team != "bank" || c.Inbox != 303 {
			f.Errorf("its conversation is %+v, %v", c, err)
		}
	}},
	{"NamedConversation", func(f *fixture) { // nothing is sent there, so nothing is checked
		f.mail(letter{id: "m", convo: 7})
		tasks := f.claim(room("smarthost:support"))
		if len(tasks) != 1 || tasks[0].Call != spool.Send || tasks[0].ConvoConflict {
			f.Errorf("claimed %+v", tasks)
		}
	}},
	{"NamedByAnother", func(f *fixture) { // which waits to look at it
		f.send(letter{convo: 7})
		f.mail(letter{convo: 7})
		tasks := f.claim(room("smarthost:support"))
		if len(tasks) != 1 || tasks[0].Call != spool.Send || tasks[0].ConvoID != 0 {
			f.Errorf("claimed %+v", tasks)
		}
	}},
	{"UnknownOutcome", func(f *fixture) { // of a process that died: it may have been delivered
		f.mail(letter{id: "m"})
		f.claim(room("smarthost:support"))
		f.now = f.now.Add(2 * lease)
		tasks := f.claim(room("smarthost:support"))
		if len(tasks) != 1 || tasks[0].Call != spool.Send || !tasks[0].Unknown || len(tasks[0].Sends) != 1 {
			f.Errorf("claimed %+v", tasks)
		}
	}},
	{"Held", func(f *fixture) { // apart from what the route sends to the API
		f.hold(spool.Hold{Team: "smarthost:support", Route: "support", Reason: "why"})
		f.mail(letter{id: "m"})
		f.send(letter{id: "n", to: []string{"bob"}})
		if n := len(f.claim(room("smarthost:support"))); n != 0 {
			f.Errorf("%d were claimed in spite of a hold", n)
		}
		f.claimOne()
		f.state("Q1", spool.Held)
	}},
	{"LoopsCountMessages", func(f *fixture) { // not recipients
		for range spool.LoopLimit {
			if r := f.mail(letter{auto: true, to: []string{"alice", "bob"}}); r.Looping {
				f.Fatalf("held: %+v", r)
			}
		}
		if r := f.mail(letter{auto: true, to: []string{"alice", "bob"}}); !r.Looping {
			f.Errorf("not held: %+v", r)
		}
		if n := len(f.claim(room("smarthost:support"))); n != 2*spool.LoopLimit {
			f.Errorf("%d were claimed, want %d", n, 2*spool.LoopLimit)
		}
	}},
	{"LoopsCountBothWays", func(f *fixture) { // to the same people, with a file or without
		for range spool.LoopLimit / 2 {
			f.mail(letter{auto: true})
			f.send(letter{auto: true})
		}
		f.send(letter{auto: true, to: []string{"bob"}})
		f.state("Q21", spool.Ready)
		if r := f.mail(letter{auto: true}); !r.Looping {
			f.Errorf("with a file it is not held: %+v", r)
		}
		if r := f.send(letter{auto: true}); !r.Looping {
			f.Errorf("without a file it is not held: %+v", r)
		}
	}},
	{"Envelope", func(f *fixture) { // with what the client asked for
		m := f.byMail(letter{id: "m"})
		m.EnvelopeID = "QQ314159"
		m.Return = "HDRS"
		m.Requests[0].DSN = []spool.DSN{{Notify: []string{"DELAY"}, Original: "rfc822;a@example.com"}}
		f.accept(m)
		tasks := f.claim(room("smarthost:support"))
		if len(tasks) != 1 || tasks[0].EnvelopeID != "QQ314159" || tasks[0].Return != "HDRS" || len(tasks[0].DSN) != 1 {
			f.Fatalf("claimed %+v", tasks)
		}
		c, err := f.Content(f.Context(), "Q1")
		if err != nil || string(c.Raw) != string(m.Raw) {
			f.Errorf("its content is %+v, %v", c, err)
		}
		f.done(spool.Outcome{Task: tasks[0], State: spool.Failed, Status: 550, Report: spool.FailedAction})
		due, _, err := f.Notices(f.Context(), f.now, time.Minute, spool.Mail, 10)
		if err != nil || len(due) != 1 || !due[0].Report.Smarthost {
			f.Errorf("the reports are %+v, %v", due, err)
		}
	}},
}

// byMail writes a letter that leaves by a smarthost: it has a request for each recipient.
func (f *fixture) byMail(l letter) *spool.Message {
	m := f.write(l)
	m.Smarthost = true
	var each []spool.Request
	for _, r := range m.Requests {
		for _, a := range r.To {
			one := r
			one.LocalID = fmt.Sprintf("%s-%d", m.QueueID, len(each))
			one.To = []string{a}
			each = append(each, one)
		}
	}
	m.Requests = each
	return m
}

// mail stores a letter that leaves by a smarthost.
func (f *fixture) mail(l letter) spool.Receipt {
	f.Helper()
	return f.accept(f.byMail(l))
}
