package spooltest

import (
	"errors"
	"reflect"
	"time"

	"heyrelay/internal/spool"
)

// readCases say what people are shown.
var readCases = []testCase{
	{"ListNewestFirst", func(f *fixture) {
		f.many(5, letter{})
		f.list(spool.Filter{}, "Q5 Q4 Q3 Q2 Q1")
		f.list(spool.Filter{Limit: 2}, "Q5 Q4")
	}},
	{"ListFilters", func(f *fixture) {
		f.send(letter{to: []string{"alice", "bob"}})
		f.send(letter{to: []string{"carol"}, route: "news"})
		f.sent(f.claim(one("shop"))[0], 7)
		f.now = f.now.Add(time.Hour)
		f.send(letter{to: []string{"bob"}})
		f.list(spool.Filter{Route: "news"}, "Q2")
		f.list(spool.Filter{Recipient: "BOB@example.com"}, "Q3 Q1")
		f.list(spool.Filter{Recipient: "bo%@example.com"}, "")
		f.list(spool.Filter{Before: f.now}, "Q2 Q1")
		f.list(spool.Filter{States: []spool.State{spool.Ready}, Recipient: "bob@example.com", Before: f.now}, "Q1")
		f.list(spool.Filter{States: []spool.State{spool.Failed, spool.Sent, spool.Flagged}}, "Q2")
	}},
	{"ListManyDefault", func(f *fixture) {
		f.many(101, letter{})
		if list := f.entries(spool.Filter{}); len(list) != 100 {
			f.Errorf("without a limit %d entries, want 100", len(list))
		}
	}},
	{"Entry", func(f *fixture) {
		f.send(letter{id: "p", subject: "One"})
		f.send(letter{id: "r", cites: []string{"p"}, subject: "Two"})
		f.deferTask(f.claimOne(), time.Minute)
		list := f.entries(spool.Filter{})
		if list[0].State != "queued" || list[0].Reason == "" {
			f.Errorf("a request behind a head is %q, %q", list[0].State, list[0].Reason)
		}
		want := spool.Entry{
			Number:   list[1].Number,
			QueueID:  "Q1",
			LocalID:  "Q1-0",
			Accepted: epoch,
			State:    "deferred",
			Route:    "support",
			Sender:   "app@example.com",
			To:       []string{"alice@example.com"},
			Title:    "One",
			Attempts: 1,
			Due:      epoch.Add(time.Minute),
			Reason:   "server error",
		}
		if !reflect.DeepEqual(list[1], want) {
			f.Errorf("the entry is\n%+v, want\n%+v", list[1], want)
		}
	}},
	{"Show", func(f *fixture) {
		m := f.write(letter{id: "m", blind: []string{"bob"}, priority: spool.Bulk})
		m.Warnings = []byte(`[{"code":"charset"}]`)
		f.accept(m)
		f.send(letter{id: "r", cites: []string{"m"}})
		s, err := f.Show(f.Context(), "Q1")
		if err != nil {
			f.Fatal(err)
		}
		if len(s.Requests) != 2 || s.Requests[1].To[0] != "bob@example.com" || s.Requests[0].Priority != "bulk" ||
			s.Requests[0].Joined {
			f.Errorf("the requests are %+v", s.Requests)
		}
		s.Requests = nil
		want := spool.MessageDetail{
			QueueID:    "Q1",
			Accepted:   epoch,
			Client:     "10.0.0.1",
			Sender:     "app@example.com",
			Route:      "support",
			Team:       "shop",
			Inbox:      202,
			Title:      "Hello",
			MessageIDs: []string{"m@example.com"},
			Warnings:   m.Warnings,
		}
		if !reflect.DeepEqual(s, want) {
			f.Errorf("the details are\n%+v, want\n%+v", s, want)
		}
		if r := f.detail("Q2"); !r.Joined || r.By != "cites m" || r.Priority != "high" {
			f.Errorf("the details of the reply are %+v", r)
		}
	}},
	{"ShowNothing", func(f *fixture) {
		if _, err := f.Show(f.Context(), "Q1"); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("Show: %v, want ErrNotFound", err)
		}
	}},
}

// entries is what the spool lists.
func (f *fixture) entries(filter spool.Filter) []spool.Entry {
	f.Helper()
	list, err := f.List(f.Context(), filter)
	if err != nil {
		f.Fatalf("List: %v", err)
	}
	return list
}

// list fails the test unless a filter finds these messages, in this order.
func (f *fixture) list(filter spool.Filter, want string) {
	f.Helper()
	if got := found(f.entries(filter)); got != want {
		f.Errorf("%+v lists %q, want %q", filter, got, want)
	}
}
