package delivery

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// A new set-up applies to the next call, and a call that has begun ends with its own: here with
// the client of a team that is gone by then.
func TestSetupOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		a := &answers{list: []func(*http.Request) (*http.Response, error){
			func(r *http.Request) (*http.Response, error) {
				<-time.After(10 * time.Second)
				return answer(http.StatusTooManyRequests, "{}")(r)
			},
		}}
		before := shop(t, a)
		after := before
		after.Teams = nil
		var setup atomic.Pointer[Setup]
		setup.Store(&before)
		s := New(Options{
			Setup:  setup.Load,
			Store:  l,
			Sink:   &recorder{},
			Now:    time.Now,
			Jitter: func() float64 { return 0 },
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			s.Run(ctx)
			close(ended)
		}()
		<-time.After(5 * time.Second)
		l.places = []spool.Destination{{Team: "shop", Route: "support", Inbox: 202}}
		setup.Store(&after)
		s.Kick()
		<-time.After(time.Minute)
		stop()
		<-ended
		if len(l.outcomes) != 1 || l.outcomes[0].Status != http.StatusTooManyRequests {
			t.Errorf("outcomes %+v, want the one 429", l.outcomes)
		}
		if s.holds.held(l.places[0]) == nil {
			t.Error("what is pending for the team that is gone is not held")
		}
	})
}

// A new set-up has held teams probed at once: it may have mended what they wait for.
func TestSetupProbes(t *testing.T) {
	var setup atomic.Pointer[Setup]
	setup.Store(&Setup{})
	s := New(Options{Setup: setup.Load, Now: time.Now})
	key := holdKey{Destination: spool.Destination{Team: "shop"}}
	s.holds.set(key, &hold{pause: pause{until: time.Now().Add(time.Hour)}})
	s.synced = true
	s.takeSetup()
	if !s.synced || !s.holds.all[key].pause.until.After(time.Now()) {
		t.Error("the same set-up was taken for a new one")
	}
	setup.Store(&Setup{})
	s.takeSetup()
	if s.synced || s.holds.all[key].pause.until.After(time.Now()) {
		t.Error("a new set-up did not have its destinations compared, or its teams probed")
	}
}
