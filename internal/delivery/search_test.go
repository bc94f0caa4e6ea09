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
		r := &result{setup: c.setup, task: &spool.Task{Sends: c.sends}, began: sent.Add(time.Hour)}
		got := newProgress(r, c.before)
		if goesOn := got.seen == 1 && got.rest != nil && got.began.Equal(sent); goesOn != c.goesOn {
			t.Errorf("%s: %+v", c.name, got)
		}
		if !c.goesOn && (got.seen != 0 || got.rest != nil || !got.began.Equal(r.began)) {
			t.Errorf("%s: %+v does not begin anew", c.name, got)
		}
	}
}
