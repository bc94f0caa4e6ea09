package spooltest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/spool"
)

// searchCases are about how requests are found.
var searchCases = []testCase{
	{"Conditions", func(f *fixture) { // each finds what it should, and nothing else
		f.send(letter{id: "a", to: []string{"alice", "bob"}, subject: "Printer on FIRE"})
		f.now = f.now.Add(time.Hour)
		f.send(letter{id: "b", to: []string{"bob"}, route: "news", team: "bank", subject: "Straße"})
		f.now = f.now.Add(time.Hour)
		f.send(letter{id: "c", to: []string{"carol"}, blind: []string{"dave"}})
		f.sent(f.claim(one("bank"))[0], 77)
		all := "Q3 Q3 Q2 Q1"
		for _, c := range []struct {
			filter spool.Filter
			want   string
		}{
			{spool.Filter{}, all},
			{spool.Filter{Team: "bank"}, "Q2"},
			{spool.Filter{Team: "shop"}, "Q3 Q3 Q1"},
			{spool.Filter{Team: "none"}, ""},
			{spool.Filter{Route: "news"}, "Q2"},
			{spool.Filter{Route: "news", Team: "shop"}, ""},
			{spool.Filter{Recipient: "BOB@example.com"}, "Q2 Q1"},
			{spool.Filter{Recipient: "dave@example.com"}, "Q3"},
			{spool.Filter{Recipient: "bob@example.com", Team: "shop"}, "Q1"},
			{spool.Filter{Recipient: "bob"}, ""},
			{spool.Filter{MessageID: "<c@example.com>"}, "Q3 Q3"},
			{spool.Filter{MessageID: "c@example.com", Recipient: "dave@example.com"}, "Q3"},
			{spool.Filter{MessageID: "c@example"}, ""},
			{spool.Filter{LocalID: "Q3-1"}, "Q3"},
			{spool.Filter{LocalID: "Q4-1"}, ""},
			{spool.Filter{ConvoID: 77}, "Q2"},
			{spool.Filter{ConvoID: 78}, ""},
			{spool.Filter{Subject: "fire"}, "Q1"},
			{spool.Filter{Subject: "STRASSE"}, ""},
			{spool.Filter{Subject: "STRAßE"}, "Q2"},
			{spool.Filter{Subject: "%"}, ""},
			{spool.Filter{Since: epoch.Add(time.Hour)}, "Q3 Q3 Q2"},
			{spool.Filter{Since: epoch.Add(time.Hour + 1)}, "Q3 Q3"},
			{spool.Filter{Before: epoch.Add(time.Hour)}, "Q1"},
			{spool.Filter{Since: epoch.Add(time.Hour), Before: epoch.Add(2 * time.Hour)}, "Q2"},
			{spool.Filter{Since: epoch.Add(3 * time.Hour)}, ""},
			{spool.Filter{Before: epoch}, ""},
			{spool.Filter{States: []spool.State{spool.Sent}}, "Q2"},
			{spool.Filter{States: []spool.State{spool.Ready, spool.Sent}}, all},
			{spool.Filter{States: []spool.State{spool.Failed}}, ""},
			{spool.Filter{QueueIDs: []string{"Q1", "Q3"}, Recipient: "dave@example.com"}, "Q3"},
		} {
			f.finds(c.filter, c.want)
		}
		if _, err := f.Search(f.Context(), only("Q9")); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("an unknown queue id: %v", err)
		}
	}},
	{"Held", func(f *fixture) { // what a hold keeps back is found as held, and as nothing else
		f.send(letter{route: "a", to: []string{"alice"}})
		f.send(letter{id: "p", route: "b", to: []string{"bob"}})
		f.send(letter{id: "r", cites: []string{"p"}, route: "b", to: []string{"bob"}})
		f.moves(f.operator.Hold(f.Context(), f.now, only("Q3"), "why"))
		held, ready := []spool.State{spool.Held}, []spool.State{spool.Ready}
		f.finds(spool.Filter{States: held}, "Q3")
		f.finds(spool.Filter{States: []spool.State{spool.Queued}}, "")
		f.operatorHold(spool.Hold{Team: "shop", Route: "a", Reason: "why"})
		f.finds(spool.Filter{States: held}, "Q3 Q1")
		f.finds(spool.Filter{States: held, Route: "b"}, "Q3")
		f.finds(spool.Filter{States: ready}, "Q2")
		f.operatorHold(spool.Hold{Team: "shop", Reason: "why"})
		f.finds(spool.Filter{States: held, Team: "shop"}, "Q3 Q2 Q1")
		f.finds(spool.Filter{States: ready}, "")
	}},
	{"Pages", func(f *fixture) { // forth and back, whatever the filter
		for i := range 40 {
			f.send(letter{to: []string{fmt.Sprint("u", i%3)}, route: fmt.Sprint("r", i%2), subject: fmt.Sprint("No ", i%4)})
		}
		for _, filter := range []spool.Filter{
			{},
			{Route: "r1"},
			{Recipient: "u1@example.com"},
			{Subject: "no 3"},
			{Team: "shop"},
			{States: []spool.State{spool.Ready, spool.Queued}},
			{Since: epoch},
			{Route: "r0", Recipient: "u2@example.com"},
		} {
			f.pages(filter)
		}
	}},
	{"New", func(f *fixture) { // what comes after a page is found from there
		if page := f.page(spool.Filter{}); page.More || page.Older != 0 || page.Newer != 0 {
			f.Errorf("of nothing: %+v", page)
		}
		f.send(letter{})
		page := f.page(spool.Filter{Route: "none"})
		f.send(letter{})
		f.send(letter{})
		page = f.page(spool.Filter{Newer: page.Newer})
		if found(page.Entries) != "Q3 Q2" || page.More {
			f.Errorf("%+v", page)
		}
		page = f.page(spool.Filter{Newer: page.Newer})
		if len(page.Entries) != 0 || page.More || page.Newer == 0 {
			f.Errorf("%+v", page)
		}
	}},
	{"Oldest", func(f *fixture) {
		f.many(5, letter{})
		page := f.page(spool.Filter{OldestFirst: true, Limit: 2})
		if found(page.Entries) != "Q1 Q2" || !page.More {
			f.Errorf("%+v", page)
		}
		page = f.page(spool.Filter{OldestFirst: true, Limit: 9, Newer: page.Newer})
		if found(page.Entries) != "Q3 Q4 Q5" || page.More {
			f.Errorf("%+v", page)
		}
	}},
	{"Bounded", func(f *fixture) { // a page that examined much ends, and the next one goes on
		f.send(letter{route: "b"})
		for range 1500 {
			f.send(letter{route: "a"})
		}
		rare := spool.Filter{Recipient: "alice@example.com", Route: "b"}
		page := f.page(rare)
		if len(page.Entries) != 0 || !page.More {
			f.Errorf("a page that examined many: %+v", page)
		}
		f.list(rare, "Q1")
		f.counts(rare, 1)
	}},
	{"Renamed", func(f *fixture) { // a new local_id is found, the old one is not
		f.send(letter{})
		f.moves(f.operator.Drop(f.Context(), f.now, spool.Filter{}))
		anew := spool.RetryOptions{Anew: true, NewLocalID: func() string { return "new" }}
		f.moves(f.operator.Retry(f.Context(), f.now, spool.Filter{}, anew))
		f.finds(spool.Filter{LocalID: "NEW"}, "Q1")
		f.finds(spool.Filter{LocalID: "Q1-0"}, "")
	}},
	{"Gone", func(f *fixture) { // what was deleted or forgotten is not found
		f.send(letter{id: "a", to: []string{"alice"}})
		f.send(letter{id: "b", to: []string{"bob"}})
		f.sent(f.claim(one("shop"))[0], 7)
		f.moves(f.operator.Forget(f.Context(), f.now, "bob@example.com"))
		f.finds(spool.Filter{Recipient: "bob@example.com"}, "")
		f.finds(spool.Filter{MessageID: "b@example.com"}, "")
		f.now = f.now.Add(400 * day)
		f.prune()
		f.finds(spool.Filter{Recipient: "alice@example.com"}, "")
		f.finds(spool.Filter{MessageID: "a@example.com"}, "")
		f.finds(spool.Filter{}, "")
	}},
	{"Operator", func(f *fixture) { // a verb changes what its filter finds, and nothing else
		for i, filter := range []spool.Filter{
			{Team: "bank"},
			{MessageID: "<x@example.com>"},
			{Subject: "this"},
			{Since: epoch.Add(time.Second)},
			{Route: "news", Team: "bank"},
		} {
			f.moves(f.operator.Drop(f.Context(), f.now, spool.Filter{}))
			f.now = epoch
			spared := f.send(letter{body: fmt.Sprint(i)}).QueueID
			f.now = epoch.Add(time.Minute)
			l := letter{id: "x", body: fmt.Sprint(i), team: "bank", route: "news", subject: "this one"}
			chosen := f.send(l).QueueID
			if m, err := f.operator.Hold(f.Context(), f.now, filter, "why"); err != nil || m.Requests != 1 {
				f.Errorf("%+v held %+v, %v", filter, m, err)
			}
			f.state(spared, spool.Ready)
			f.state(chosen, spool.Held)
		}
	}},
}

func (f *fixture) moves(_ spool.Moved, err error) {
	f.Helper()
	f.must(err)
}

func (f *fixture) page(filter spool.Filter) spool.Page {
	f.Helper()
	page, err := f.Search(f.Context(), filter)
	f.must(err)
	return page
}

// finds compares what a filter finds, in each way to look for it.
func (f *fixture) finds(filter spool.Filter, want string) {
	f.Helper()
	if got := found(f.page(filter).Entries); got != want {
		f.Errorf("%+v finds %q, want %q", filter, got, want)
	}
	f.list(filter, want)
	f.counts(filter, len(strings.Fields(want)))
}

func (f *fixture) counts(filter spool.Filter, want int) {
	f.Helper()
	if n, err := f.Count(f.Context(), filter); n != want || err != nil {
		f.Errorf("%+v counts %d (%v), want %d", filter, n, err, want)
	}
}

// pages goes through what a filter finds, forth and back, three at a time.
func (f *fixture) pages(filter spool.Filter) {
	f.Helper()
	want := found(f.entries(filter))
	filter.Limit = 3
	var forth []spool.Page
	for filter.Older = 0; ; {
		page := f.page(filter)
		forth = append(forth, page)
		if !page.More {
			break
		}
		filter.Older = page.Older
	}
	var there []spool.Entry
	for _, page := range forth {
		there = append(there, page.Entries...)
	}
	if got := found(there); got != want || len(forth) < 3 {
		f.Errorf("%+v in %d pages: %s, want %s", filter, len(forth), got, want)
	}
	var back []spool.Entry
	filter.Older = 0
	last := forth[len(forth)-1]
	if len(last.Entries) == 0 {
		last = forth[len(forth)-2]
	}
	back = append(back, last.Entries...)
	for filter.Newer = last.Newer; ; {
		page := f.page(filter)
		back = append(slices.Clone(page.Entries), back...)
		if !page.More {
			break
		}
		filter.Newer = page.Newer
	}
	if got := found(back); got != want {
		f.Errorf("%+v back: %s, want %s", filter, got, want)
	}
}

func found(list []spool.Entry) string {
	var ids []string
	for _, e := range list {
		ids = append(ids, e.QueueID)
	}
	return strings.Join(ids, " ")
}
