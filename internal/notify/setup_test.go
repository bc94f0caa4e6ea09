package notify_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/notify"
)

// A webhook that the set-up has not had before gets what is pending for it, as soon as the notifier is
// kicked, and one that was removed gets nothing more.
func TestSetup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{200}}
		store := newNotices(event(1), event(2))
		var setup atomic.Pointer[notify.Setup]
		setup.Store(&notify.Setup{})
		n := notify.New(notify.Options{
			Setup:  setup.Load,
			Store:  store,
			Sink:   &recorder{},
			Now:    time.Now,
			Jitter: func() float64 { return 0 },
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.Run(ctx) }()
		<-time.After(time.Second)
		if len(e.all()) != 0 {
			t.Error("called without a webhook")
		}
		setup.Store(&notify.Setup{Webhook: hookTo(e)})
		n.Kick()
		<-time.After(time.Second)
		if len(e.all()) != 2 {
			t.Errorf("%d calls within a second, want 2", len(e.all()))
		}
		setup.Store(&notify.Setup{})
		store.mu.Lock()
		store.list = append(store.list, stored{event(3), time.Now()})
		store.mu.Unlock()
		<-time.After(time.Hour)
		if len(e.all()) != 2 {
			t.Error("called after its webhook was removed")
		}
		stop()
		<-done
	})
}
