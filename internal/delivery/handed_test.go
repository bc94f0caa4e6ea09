package delivery

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/spool"
)

// schedule runs a scheduler on l until the test ends, or until stop is called.
func schedule(t *testing.T, l *lane) (s *Scheduler, stop func()) {
	t.Helper()
	setup := shop(t, &answers{list: []func(*http.Request) (*http.Response, error){answer(200, sentBody)}})
	s = New(Options{
		Setup: always(setup), Store: l, Sink: &recorder{}, Now: time.Now, Jitter: func() float64 { return 0 },
		NewLocalID: func() string { return "L2" },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	synctest.Wait()
	return s, func() {
		cancel()
		<-ended
	}
}

// TestHandedIsSent has the store claim what it accepts: it is sent without another claim.
func TestHandedIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.open, l.idle = false, true
		s, stop := schedule(t, l)
		defer stop()
		before := l.claims
		s.Accepted()
		synctest.Wait()
		if l.claims != before {
			t.Errorf("%d claims where the store had nothing more", l.claims-before)
		}
		l.handed = []*spool.Task{l.claim()}
		s.Accepted()
		synctest.Wait()
		if len(l.outcomes) != 1 || l.outcomes[0].State != spool.Sent {
			t.Errorf("outcomes %+v, want that it was sent", l.outcomes)
		}
	})
}

// TestHandedIsGivenBack has the store claim while the scheduler stops.
func TestHandedIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		l.open, l.idle = false, true
		_, stop := schedule(t, l)
		l.handed = []*spool.Task{l.claim()}
		stop()
		if l.released != 1 || len(l.outcomes) != 0 {
			t.Errorf("%d given back, outcomes %+v", l.released, l.outcomes)
		}
	})
}

// TestHandedTakesRoom has the store hand as many as may begin: no more is claimed until one ends.
func TestHandedTakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane()
		setup := shop(t, &answers{list: []func(*http.Request) (*http.Response, error){until}})
		s := New(Options{Setup: always(setup), Store: l, Sink: &recorder{}, Now: time.Now})
		for range 8 {
			l.handed = append(l.handed, l.claim())
		}
		calls, cut := context.WithCancel(t.Context())
		s.takeHanded(calls)
		if all, _ := s.capacities(calls, nil); len(all) != 0 {
			t.Errorf("capacities %+v beside 8 calls, want none", all)
		}
		ended := []spool.Outcome{{Task: l.claim()}}
		if all, _ := s.capacities(calls, ended); len(all) != 1 || all[0].Free != 0 || all[0].High != 1 {
			t.Errorf("capacities %+v when one ends, want its room", all)
		}
		cut()
		for range 8 {
			<-s.results
		}
	})
}
