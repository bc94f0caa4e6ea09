package relay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
	"heyrelay/smtpd"
)

const watched = `
hostname: relay.example.com
teams: {shop: {api_key: "${KEY}"}}
routes: [{inbox: 202, creator_id: 55}]
events: {url: "https://ops.example.com", secret: "${HOOK}", kinds: [backlog, oldest], backlog: 2, oldest: 30m}
`

// When more waits than the operator wants, or for longer, the log says so once and
// the webhook is to be told.
func TestBacklogAlerts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(dir, "spool.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		told := &kinds{}
		g, err := New(parse(t, strings.ReplaceAll(watched, "${HOOK}", "whsec_"+strings.Repeat("MDEy", 8))), Parts{
			Store: store, Sink: told, Transport: sandbox.New(sandbox.Options{}), Random: rand.Reader, Listen: nowhere,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { g.monitorBacklog(ctx) })
		began := time.Now()
		for i := range 3 {
			env := &smtpd.Envelope{QueueID: fmt.Sprint("Q", i), From: "app@example.com", Rcpt: []string{fmt.Sprintf("a%d@example.com", i)}, Received: time.Now()}
			if r := g.Handle(ctx, env, []byte("Subject: x\r\n\r\nx\r\n")); r.Code != 250 {
				t.Fatalf("%d %s", r.Code, r.Text)
			}
		}
		<-time.After(2 * time.Hour)
		stop()
		running.Wait()
		if want := []string{"backlog 3 after 1m0s", "oldest 3 after 31m0s"}; !slices.Equal(told.since(began), want) {
			t.Errorf("told %q, want %q", told.since(began), want)
		}
		due, _, err := store.Notices(t.Context(), time.Now(), time.Minute, spool.Hook, 10)
		if err != nil || len(due) != 2 || !strings.Contains(string(due[0].Event), `"pending":3`) {
			t.Errorf("%d notices wait (%v)", len(due), err)
		}
		if err := errors.Join(store.Check(context.Background()), store.Close()); err != nil {
			t.Error(err)
		}
	})
}

// kinds remembers which backlogs were told of, and when.
type kinds struct {
	mu  sync.Mutex
	all []events.Event
}

func (k *kinds) Record(e events.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.Pending > 0 {
		k.all = append(k.all, e)
	}
}

func (k *kinds) since(began time.Time) (lines []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.all {
		lines = append(lines, fmt.Sprintf("%s %d after %v", e.Kind, e.Pending, e.Time.Sub(began)))
	}
	return lines
}
