package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
)

const watched = `
hostname: relay.example.com
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55}]
events: {url: "https://ops.example.com", secret: "${HOOK}", kinds: [backlog, oldest], backlog: 2, oldest: 30m}
`

// A backlog that is too large or too old gives one event of each kind, in the log and
// for the webhook.
func TestBacklogAlerts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openIn(t, dir)
		alerts := &backlogEvents{}
		r, err := New(parse(t, strings.ReplaceAll(watched, "${HOOK}", "whsec_"+strings.Repeat("MDEy", 8))), Parts{
			Store:     store,
			Sink:      alerts,
			Transport: sandbox.New(sandbox.Options{}),
			Random:    rand.Reader,
			Listen:    nowhere,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.monitorBacklog(ctx) })
		began := time.Now()
		for i := range 3 {
			submit(t, r, fmt.Sprint("Q", i), fmt.Sprintf("a%d@example.com", i), "Subject: x\r\n\r\nx\r\n")
		}
		<-time.After(2 * time.Hour)
		stop()
		running.Wait()
		want := []string{"backlog 3 after 1m0s", "oldest 3 after 31m0s"}
		if got := alerts.since(began); !slices.Equal(got, want) {
			t.Errorf("recorded %q, want %q", got, want)
		}
		due, _, err := store.Notices(t.Context(), time.Now(), time.Minute, spool.Hook, 10)
		if err != nil || len(due) != 2 || !strings.Contains(string(due[0].Event), `"pending":3`) {
			t.Errorf("%d pending notices (%v)", len(due), err)
		}
		closeSpool(t, store)
	})
}

// endless is a spool whose backlog is read until the relay ends.
type endless struct{ spool.Store }

func (endless) Backlog(ctx context.Context) (int, time.Time, error) {
	<-ctx.Done()
	return 0, time.Time{}, ctx.Err()
}

// That the relay ends while the backlog is read is no error.
func TestBacklogAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, log := openIn(t, dir), &recorder{}
		cfg := parse(t, strings.ReplaceAll(watched, "${HOOK}", "whsec_"+strings.Repeat("MDEy", 8)))
		r, err := New(cfg, Parts{Store: endless{store}, Sink: log, Random: rand.Reader, Listen: nowhere})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), backlogInterval+time.Second)
		defer stop()
		r.monitorBacklog(ctx)
		if lines := log.lines(); strings.Contains(lines, "backlog") {
			t.Errorf("recorded %s", lines)
		}
		closeSpool(t, store)
	})
}

// backlogEvents keeps events about the backlog.
type backlogEvents struct {
	mu  sync.Mutex
	all []events.Event
}

func (b *backlogEvents) Record(e events.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Pending > 0 {
		b.all = append(b.all, e)
	}
}

func (b *backlogEvents) since(began time.Time) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.all {
		lines = append(lines, fmt.Sprintf("%s %d after %v", e.Kind, e.Pending, e.Time.Sub(began)))
	}
	return lines
}
