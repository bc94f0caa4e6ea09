package spooltest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// acceptCases say what is stored, and that it is all or nothing.
var acceptCases = []testCase{
	{"Content", func(f *fixture) { // what goes in comes out, byte for byte
		m := f.write(
			letter{
				id:       "m",
				to:       []string{"alice", "bob"},
				route:    "news",
				priority: spool.Bulk,
				subject:  "Grüße & <b>",
			},
		)
		m.HTML, m.Text, m.SubjectOffset = "<p>\x00ü\xff</p>", "line\r\n\x00\xff", 3
		m.Requests[0].Cc, m.Requests[0].To = m.Requests[0].To[1:], m.Requests[0].To[:1]
		f.accept(m)
		f.now = f.now.Add(time.Second)
		got := f.claimOne()
		want := &spool.Task{
			Request:       got.Request,
			Attempt:       1,
			QueueID:       "Q1",
			LocalID:       "Q1-0",
			Route:         "news",
			Team:          "shop",
			Sender:        "app@example.com",
			Inbox:         202,
			To:            []string{"alice@example.com"},
			Cc:            []string{"bob@example.com"},
			Participants:  "alice@example.com bob@example.com",
			Title:         "Grüße & <b>",
			HTML:          m.HTML,
			Text:          m.Text,
			SubjectOffset: 3,
			Accepted:      epoch,
			TrialSince:    f.now,
		}
		if !reflect.DeepEqual(got, want) {
			f.Errorf("claimed\n%+v, want\n%+v", got, want)
		}
	}},
	{"Large", func(f *fixture) {
		m := f.write(letter{})
		m.HTML = strings.Repeat("0123456789abcdef", 1<<17)
		f.accept(m)
		if got := f.claimOne().HTML; got != m.HTML {
			f.Errorf("of %d bytes of HTML %d came back, or others", len(m.HTML), len(got))
		}
	}},
	{"AllOrNothing", func(f *fixture) { // the second request is refused by the schema
		m := f.write(letter{id: "m", blind: []string{"bob"}, window: days})
		m.Requests[1].LocalID = ""
		if _, err := f.Accept(f.Context(), m); err == nil {
			f.Fatal("a request without a local_id was taken")
		}
		if _, err := f.Show(f.Context(), m.QueueID); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("half of it is there: %v", err)
		}
		if r := f.send(letter{id: "m", blind: []string{"bob"}, window: days}); r.Duplicate || r.Joined[0] != -1 ||
			r.SameID {
			f.Errorf("the whole message's receipt is %+v: something of the half was kept", r)
		}
	}},
	{"NoRequest", func(f *fixture) { // a 250 for it would be a lie
		m := f.write(letter{})
		m.Requests = nil
		if _, err := f.Accept(f.Context(), m); err == nil {
			f.Error("a message without a request was taken")
		}
	}},
	{"QueueIDTwice", func(f *fixture) {
		f.send(letter{})
		m := f.write(letter{body: "other"})
		m.QueueID = "Q1"
		if _, err := f.Accept(f.Context(), m); err == nil {
			f.Error("two messages share a queue id")
		}
	}},
	{"O4", func(f *fixture) { // a high message behind a bulk head: the lane becomes high
		f.send(letter{id: "a", priority: spool.Bulk})
		f.send(letter{id: "x", to: []string{"bob"}, priority: spool.Normal})
		f.send(letter{id: "b", cites: []string{"a"}, priority: spool.High})
		if got := queueIDs(f.claim()); got != "Q1 Q2" {
			f.Errorf("claimed %s, want the bulk head before the normal message", got)
		}
	}},
	{"O4_NextHead", func(f *fixture) { // also behind the next head, and not after the high one has gone
		f.send(letter{id: "a", priority: spool.High})
		f.send(letter{id: "b", cites: []string{"a"}, priority: spool.Bulk})
		f.send(letter{id: "c", cites: []string{"a"}, priority: spool.High})
		f.send(letter{id: "d", cites: []string{"a"}, priority: spool.Bulk})
		f.send(letter{id: "x", to: []string{"bob"}, priority: spool.Normal})
		f.sent(f.claim(one("shop"))[0], 7)
		for _, want := range []string{"Q2", "Q3", "Q5"} {
			tasks := f.claim(one("shop"))
			if got := queueIDs(tasks); got != want {
				f.Fatalf("claimed %s, want %s", got, want)
			}
			f.sent(tasks[0], 0)
		}
	}},
	{"Loop", func(f *fixture) { // the 21st automatic reply in an hour holds its lane
		reply := letter{auto: true, id: "m", cites: []string{"p"}}
		for range spool.LoopLimit {
			f.send(letter{}) // no reply, and so not counted
			f.send(letter{auto: true, to: []string{"bob"}})
			if f.send(reply).Looping {
				f.Fatal("held too soon")
			}
			f.now = f.now.Add(time.Minute)
		}
		f.reopen() // it is counted exactly
		f.send(letter{cites: []string{"p"}})
		last := f.send(reply)
		if !last.Looping || f.send(reply).Looping {
			f.Errorf("the 21st: %+v, want its lane held, and reported once", last)
		}
		if s := f.detail("Q3"); s.State != "held" || s.Reason != spool.LoopReason {
			f.Errorf("the head is %s, %q", s.State, s.Reason)
		}
		for _, task := range f.claim(one("shop"), spool.Capacity{Team: "shop", Rate: plenty, Free: 100}) {
			if f.conversation(task.QueueID) == f.conversation("Q3") {
				f.Errorf("%s goes out, from the lane that is held", task.QueueID)
			}
		}
		f.moved(
			spool.Moved{Requests: spool.LoopLimit + 3},
		)(
			f.operator.Release(f.Context(), f.now, spool.Filter{States: []spool.State{spool.Queued, spool.Held}}),
		)
		if task := f.claimOne(); task.QueueID != "Q3" {
			f.Errorf("claimed %s, want the head of the lane", task.QueueID)
		}
		f.send(reply) // its head is under way
		f.now = f.now.Add(61 * time.Minute)
		if f.send(letter{auto: true}).Looping {
			f.Error("what was longer ago than an hour is counted")
		}
	}},
	{"LoopWithinAnHour", func(f *fixture) { // and not a minute more
		for range 20 {
			f.send(letter{auto: true})
		}
		f.now = f.now.Add(59 * time.Minute)
		if !f.send(letter{auto: true}).Looping {
			f.Error("the 21st within an hour is not held")
		}
	}},
	{"LoopInOtherLanes", func(f *fixture) { // replies that cite nothing are counted, too; another inbox's are not
		for range spool.LoopLimit {
			f.send(letter{auto: true})
			f.send(letter{auto: true, inbox: 9})
		}
		f.send(letter{})
		if r := f.send(letter{auto: true}); !r.Looping {
			f.Error("the 21st is not held")
		}
		f.state("Q42", spool.Held)
		if n := len(f.claim()); n != 2*spool.LoopLimit+1 {
			f.Errorf("claimed %d, want all that are in other lanes", n)
		}
		f.moved(
			spool.Moved{Requests: 1},
		)(
			f.operator.Release(
				f.Context(),
				f.now,
				spool.Filter{States: []spool.State{spool.Held}, Recipient: "alice@example.com"},
			),
		)
		if task := f.claimOne(); task.QueueID != "Q42" {
			f.Errorf("claimed %s, want Q42", task.QueueID)
		}
	}},
	{"ContextEnded", func(f *fixture) {
		ctx, cancel := context.WithCancel(f.Context())
		cancel()
		m := f.write(letter{})
		if _, err := f.Accept(ctx, m); !errors.Is(err, context.Canceled) {
			f.Errorf("Accept: %v, want context.Canceled", err)
		}
		if _, err := f.Show(f.Context(), m.QueueID); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("a message given up is there: %v", err)
		}
	}},
}

// one is room for one call.
func one(team string) spool.Capacity { return spool.Capacity{Team: team, Rate: plenty, Free: 1} }
