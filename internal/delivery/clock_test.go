package delivery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/spool"
)

// After the clock was set back, a search by time looks at a time in which nothing
// was sent: that it finds nothing proves nothing.
func TestSearchOfAnotherTime(t *testing.T) {
	now := time.Now()
	s := New(
		Options{
			Setup: always(Setup{
				RetryInitial:  time.Second,
				RetryMax:      time.Hour,
				Expire:        time.Hour,
				LocalIDMemory: time.Hour,
			}),
			Now:    func() time.Time { return now },
			Jitter: func() float64 { return 0 },
		},
	)
	task := &spool.Task{
		Call:       spool.FindMessage,
		Attempt:    2,
		Unknown:    true,
		TrialSince: now,
		Sends:      []time.Time{now.Add(-2 * time.Hour), now.Add(time.Hour)},
	}
	o := s.judge(&result{task: task, search: heymarket.Search{Complete: true}})
	if o.ProvenAbsent || o.State != spool.Deferred || o.NextCall != spool.Send || o.Due.Sub(now) != 2*time.Second {
		t.Errorf("outcome %+v, want the same call once more", o)
	}
}

// A search during which the clock was set back began too soon, whatever the old clock says.
func TestClockSetBackDuringASearch(t *testing.T) {
	now := time.Now()
	s := New(Options{
		Setup:  always(Setup{RetryInitial: time.Second, RetryMax: time.Hour, Expire: time.Hour}),
		Now:    func() time.Time { return now },
		Jitter: func() float64 { return 0 },
	})
	s.clockSet = now
	task := &spool.Task{
		Call: spool.FindMessage, Attempt: 2, Unknown: true, TrialSince: now, Sends: []time.Time{now.Add(-time.Hour)},
	}
	r := &result{task: task, search: heymarket.Search{Complete: true}, progress: &progress{began: now.Add(time.Hour)}}
	if o := s.judge(r); o.ProvenAbsent || o.NextCall != spool.FindMessage || o.Due.Sub(now) != searchMargin {
		t.Errorf("outcome %+v, want another search after %v", o, searchMargin)
	}
}

// A call that was under way when the clock was set ahead a year has not been tried
// for a year.
func TestClockSetUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set atomic.Int64
		ahead := func(r *http.Request) (*http.Response, error) {
			set.Store(int64(365 * 24 * time.Hour))
			return answer(429, `{}`)(r)
		}
		l, a := newLane(), &answers{list: []func(*http.Request) (*http.Response, error){ahead, answer(200, sentBody)}}
		rec := runWith(t, l, a, time.Minute, func(o *Options, _ *Setup) {
			o.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(set.Load())) }
		})
		if got := fmt.Sprint(rec.kind); got != "[error held deferred sent]" {
			t.Errorf("events %s", got)
		}
	})
}

// TestClockBeforeClaim sets the clock ahead, and wakes the scheduler before it looks by itself: the store knows
// before the next claim, which could else take a call under way for lost, and make it twice.
func TestClockBeforeClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set atomic.Int64
		l, a := newLane(), &answers{list: []func(*http.Request) (*http.Response, error){until}}
		l.noting = true
		var s *Scheduler
		go func() {
			<-time.After(10*time.Second + pollInterval/2)
			l.note("set")
			set.Store(int64(time.Hour))
			s.Kick()
		}()
		setup := shop(t, a)
		s = New(Options{
			Setup: always(setup), Store: l, Sink: &recorder{}, Jitter: func() float64 { return 0 },
			Now: func() time.Time { return time.Now().Round(0).Add(time.Duration(set.Load())) },
		})
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		s.Run(ctx)
		i := slices.Index(l.holdLog, "set")
		if i < 0 || len(l.holdLog) < i+3 || l.holdLog[i+1] != "clock" || l.holdLog[i+2] != "claim" {
			t.Errorf("in this order: %v", l.holdLog)
		}
	})
}
