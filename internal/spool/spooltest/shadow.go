package spooltest

import (
	"time"

	"heyrelay/internal/spool"
)

// shadowCases say what is recorded of a message that another server delivers.
var shadowCases = []testCase{
	{"NeverSent", func(f *fixture) { // not even when its conversation is used, or by a retry
		f.shadow(letter{id: "m"})
		f.state("Q1", spool.Shadowed)
		f.claims(0)
		f.moved(spool.Moved{})(f.operator.Retry(f.Context(), f.now, only("Q1"), spool.RetryOptions{}))
		anew := spool.RetryOptions{Anew: true, NewLocalID: func() string { return "new" }}
		f.moved(spool.Moved{})(f.operator.Retry(f.Context(), f.now, only("Q1"), anew))
		f.moved(spool.Moved{})(f.operator.Drop(f.Context(), f.now, only("Q1")))
		f.claims(0)
		f.stats("support", map[string]int{"shadowed": 1})
	}},
	{"Threads", func(f *fixture) { // as it would have: what comes later finds its conversation
		f.shadow(letter{id: "m"})
		f.shadow(letter{id: "r", cites: []string{"m"}})
		if d := f.detail("Q2"); !d.Joined || d.Opener != "Q1" || d.By != "cites m" {
			f.Errorf("the reply is %+v", d)
		}
		sends, err := f.Sends(f.Context(), "Q2")
		if err != nil || len(sends) != 1 || sends[0].To != nil || sends[0].Title != "" || sends[0].HTML == "" {
			f.Errorf("the reply would have sent %+v, %v", sends, err)
		}
		f.send(letter{id: "live", cites: []string{"r"}})
		t := f.claimOne()
		if t.QueueID != "Q3" || t.ConvoID != 0 || t.Subject != "" {
			f.Errorf("the first that is sent is %+v, want it to open the conversation", t)
		}
		f.sent(t, 7)
		f.shadow(letter{id: "s", cites: []string{"live"}})
		if d := f.detail("Q4"); d.ConvoID != 7 {
			f.Errorf("what would have replied to a conversation is %+v", d)
		}
	}},
	{"RepeatsAreNotSent", func(f *fixture) { // the other server has them
		f.shadow(letter{id: "m", window: days})
		if r := f.send(letter{id: "m", window: days}); !r.Duplicate || r.QueueID != "Q1" {
			f.Errorf("the repeat of what was passed on: %+v", r)
		}
		f.claims(0)
	}},
	{"RepeatRevivesNothing", func(f *fixture) {
		f.send(letter{id: "m", window: days})
		f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed})
		if r := f.shadow(letter{id: "m", window: days}); !r.Duplicate || r.Revived != 0 {
			f.Errorf("a repeat that is passed on: %+v", r)
		}
		f.claims(0)
	}},
	{"Refusal", func(f *fixture) {
		m := f.write(letter{id: "m"})
		m.Shadow = &spool.Shadow{Reply: "250 Ok", Refusal: "554 5.6.0 no"}
		f.accept(m)
		const want = "250 Ok; would have been refused: 554 5.6.0 no"
		if e := f.entries(spool.Filter{States: []spool.State{spool.Shadowed}}); len(e) != 1 || e[0].Reason != want {
			f.Errorf("listed as %+v", e)
		}
	}},
	{"LoopsAreLetPass", func(f *fixture) { // what is not sent is no loop, and holds nothing
		for range spool.LoopLimit + 2 {
			f.shadow(letter{auto: true})
		}
		if r := f.send(letter{auto: true}); r.Looping {
			f.Errorf("held: %+v", r)
		}
	}},
	{"KeptWhole", func(f *fixture) { // for as long as what failed, with its content
		f.shadow(letter{id: "m"})
		f.now = f.now.Add(59 * day)
		f.prune()
		if c, err := f.Content(f.Context(), "Q1"); err != nil || c.HTML == "" {
			f.Errorf("its content is %+v, %v", c, err)
		}
		f.now = f.now.Add(2 * day)
		f.prune()
		f.gone("Q1", true)
	}},
	{"Forgotten", func(f *fixture) {
		f.shadow(letter{id: "m", to: []string{"alice"}})
		f.moved(spool.Moved{Requests: 1})(f.operator.Forget(f.Context(), f.now, "alice@example.com"))
		f.now = f.now.Add(time.Second)
		f.list(spool.Filter{Recipient: "alice@example.com"}, "")
	}},
}

// shadow stores a letter that another server delivers.
func (f *fixture) shadow(l letter) spool.Receipt {
	f.Helper()
	m := f.write(l)
	m.Shadow = &spool.Shadow{Reply: "250 Ok"}
	return f.accept(m)
}

// claims fails the test unless n requests can be claimed.
func (f *fixture) claims(n int) {
	f.Helper()
	if tasks := f.claim(); len(tasks) != n {
		f.Errorf("claimed %d, want %d: %+v", len(tasks), n, tasks)
	}
}
