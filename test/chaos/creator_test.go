package chaos

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
)

// TestWrongCreator waits with many messages for a creator_id that is no member of
// the inbox: nothing fails and nobody gets a report. With the right one all of it is
// sent, each message once.
func TestWrongCreator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		api := sandbox.New(sandbox.Options{})
		right := configuration() + `bounces: {smarthost: "smtp://127.0.0.1:25"}` + "\n"
		wrong := strings.ReplaceAll(right, "creator_id: 55", "creator_id: 99")
		handed := make([]time.Time, *messages/5) // two in each lane, several lanes in each route
		serve := func(configuration string, work func(r spool.Reader, n spool.Notices)) {
			g, store := build(t, dir, configuration, api, 1)
			ctx, stop := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() {
				if err := g.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			for i := range handed {
				if handed[i].IsZero() {
					hand(t, g, i)
					handed[i] = time.Now()
				}
			}
			work(store, store)
			stop()
			running.Wait()
			if err := store.Check(context.Background()); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
		serve(wrong, func(r spool.Reader, n spool.Notices) {
			<-time.After(8 * time.Hour)
			failed, err := r.List(t.Context(), spool.Filter{States: []spool.State{spool.Failed}})
			if err != nil || len(failed) > 0 {
				t.Errorf("%d failed (%v), want none", len(failed), err)
			}
			due, _, err := n.Notices(t.Context(), time.Now(), time.Minute, spool.Mail, 100)
			if err != nil || len(due) > 0 {
				t.Errorf("%d reports wait to leave (%v), want none", len(due), err)
			}
			gates, err := r.Holds(t.Context())
			if err != nil || len(gates) != routes {
				t.Errorf("%d routes are held (%v), want %d", len(gates), err, routes)
			}
			t.Logf("after eight hours: %d accepted by the API; %s", len(api.Messages()), gates[0].Reason)
		})
		began := time.Now()
		serve(right, func(r spool.Reader, _ spool.Notices) {
			for waiting(t, r) > 0 && time.Since(began) < time.Hour {
				<-time.After(time.Second)
			}
			t.Logf("with the right creator_id all is sent within %v", time.Since(began))
			count(t, r, api, handed)
		})
	})
}
