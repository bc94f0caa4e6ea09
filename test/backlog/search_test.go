package backlog_test

import (
	"fmt"
	"testing"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// searches are what people look for. In the large spool, all but a few requests are ready.
var searches = map[string]spool.Filter{
	"all":           {},
	"deep":          {Older: 5000},
	"state":         {States: []spool.State{spool.Ready}},
	"rare state":    {States: []spool.State{spool.Failed, spool.Dropped}},
	"held":          {States: []spool.State{spool.Held}},
	"route":         {Route: "route-0007"},
	"route, state":  {Route: "route-0007", States: []spool.State{spool.Deferred}},
	"unknown route": {Route: "none"},
	"team":          {Team: "shop"},
	"recipient":     {Recipient: "u77@example.com"},
	"nobody":        {Recipient: "nobody@example.com"},
	"message-id":    {MessageID: "m77@example.com"},
	"local_id":      {LocalID: "L77"},
	"convo_id":      {ConvoID: 77},
	"queue id":      {QueueIDs: []string{"Q000000000000077"}},
	"subject":       {Subject: "no such words"},
	"window":        {Since: time.Now().Add(-time.Hour), Before: time.Now().Add(time.Hour)},
	"no window":     {Before: time.Unix(0, 0)},
	"oldest":        {OldestFirst: true, States: []spool.State{spool.Ready, spool.Deferred}, Limit: 10},
}

// BenchmarkSearch looks for a page where many wait, in each way.
func BenchmarkSearch(b *testing.B) {
	r, err := sqlite.OpenReader(largeSpool(b))
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for name, filter := range searches {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.Search(b.Context(), filter); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for name, read := range map[string]func() error{
		"count waiting": func() error {
			_, err := r.Count(b.Context(), spool.Filter{States: []spool.State{
				spool.Queued, spool.Ready, spool.Deferred, spool.Held,
			}})
			return err
		},
		"stats":   func() error { _, err := r.Stats(b.Context()); return err },
		"kept":    func() error { _, err := r.Kept(b.Context()); return err },
		"oldest":  func() error { _, _, err := r.Oldest(b.Context()); return err },
		"message": func() error { _, err := r.Show(b.Context(), fmt.Sprintf("Q%015d", 77)); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
