package main

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// TestStoreWaitsForWhatIsComing has the first of many messages that are on their way wait for others, a moment: they
// share a transaction.
func TestStoreWaitsForWhatIsComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &config.Config{Spool: config.Spool{URL: "sqlite:" + filepath.Join(t.TempDir(), "spool.db")}}
		var coming atomic.Int64
		store, err := openStore(t.Context(), cfg, func() *config.Config { return cfg }, events.Sinks{}, &coming)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		coming.Store(8)
		var accepted atomic.Bool
		go func() {
			m := &spool.Message{
				QueueID: "Q1", Accepted: time.Now(), Route: "support", Team: "shop", Inbox: 202,
				Requests: []spool.Request{{LocalID: "L1", To: []string{"a@example.com"}, Participants: "a@example.com"}},
			}
			if _, err := store.Accept(t.Context(), m); err != nil {
				t.Error(err)
			}
			accepted.Store(true)
		}()
		synctest.Wait()
		if accepted.Load() {
			t.Error("it does not wait for the others")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !accepted.Load() {
			t.Error("it waits for others that do not come")
		}
	})
}
