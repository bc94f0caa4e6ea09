package delivery

import (
	"testing"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// A search goes on only about the same sends, and with the same set-up, whose API may be another.
func TestProgressIsOfItsSends(t *testing.T) {
	sent := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	setup := &Setup{}
	earlier := &progress{setup: setup, sends: []time.Time{sent}, began: sent, seen: 1, rest: &heymarket.Rest{}}
	for _, c := range []struct {
		name   string
		setup  *Setup
		sends  []time.Time
		before *progress
		goesOn bool
	}{
		{"the same", setup, []time.Time{sent.Local()}, earlier, true},
		{"the first", setup, []time.Time{sent}, nil, false},
		{"one more send", setup, []time.Time{sent, sent.Add(time.Minute)}, earlier, false},
		{"another set-up", &Setup{}, []time.Time{sent}, earlier, false},
	} {
		r := &result{setup: c.setup, task: &spool.Task{Sends: c.sends}, began: sent.Add(time.Hour), progress: c.before}
		got := newProgress(r)
		if goesOn := got.seen == 1 && got.rest != nil && got.began.Equal(sent); goesOn != c.goesOn {
			t.Errorf("%s: %+v", c.name, got)
		}
		if !c.goesOn && (got.seen != 0 || got.rest != nil || !got.began.Equal(r.began)) {
			t.Errorf("%s: %+v does not begin anew", c.name, got)
		}
	}
}

// An attempt that fails at its first page loses nothing of what those before it have seen. Without anything new, the
// next call is what it would be without a search.
func TestProgressOutlivesAFailedPage(t *testing.T) {
	now := time.Now()
	s := New(Options{
		Setup:  always(Setup{RetryInitial: time.Second, RetryMax: time.Hour, Expire: time.Hour}),
		Now:    func() time.Time { return now },
		Jitter: func() float64 { return 0 },
	})
	before := &progress{setup: s.setup, began: now.Add(-time.Minute), rest: &heymarket.Rest{}}
	for advanced, next := range map[bool]spool.Call{false: spool.Send, true: spool.FindMessage} {
		clear(s.searches)
		task := &spool.Task{
			Request: 7, Call: spool.FindMessage, Attempt: 2, Unknown: true, TrialSince: now,
			Sends: []time.Time{now.Add(-time.Hour)},
		}
		problem := &heymarket.Error{Class: heymarket.Again, Status: 429}
		o := s.judge(&result{setup: s.setup, task: task, problem: problem, progress: before, advanced: advanced})
		if o.State != spool.Deferred || o.NextCall != next || s.searches[7] != before {
			t.Errorf("advanced %t: %s, next %v, progress %v", advanced, o.State, o.NextCall, s.searches[7])
		}
	}
}
