package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/sandbox"
)

// unreliable is a store that can be down.
type unreliable struct {
	blob.Store
	down atomic.Bool
}

func (u *unreliable) Delete(ctx context.Context, key string) error {
	if u.down.Load() {
		return blob.ErrUnavailable
	}
	return u.Store.Delete(ctx, key)
}

// The files of a message are deleted after their links have expired, and what a crash left behind
// after a day. While the store is down, that is recorded once, and done later.
func TestFilesAreDeleted(t *testing.T) {
	place := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(place, "blobs")
		store := openIn(t, place)
		log := &recorder{}
		var blobs unreliable
		cfg := parse(t, strings.Replace(fmt.Sprintf(linkRoute, dir, ""), "blobs: {", "blobs: {expire: 48h, ", 1))
		r, err := New(cfg, Parts{
			Store: store, Sink: log, Transport: sandbox.New(sandbox.Options{}), Random: rand.Reader, Listen: nowhere,
			OpenBlobs: func(url string, o blob.Options) (_ blob.Store, err error) {
				blobs.Store, err = blob.Open(url, o)
				return &blobs, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		stray(t, r, dir)
		submit(t, r, "Q1", "ann@example.com", string(withAttachments(attachments())))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.clean(ctx) })
		holds := func(when string, want int) {
			t.Helper()
			if n := objects(t, dir); n != want {
				t.Errorf("%s there are %d objects, want %d", when, n, want)
			}
		}
		holds("at first", 4)
		<-time.After(47 * time.Hour)
		holds("before the links expire", 3)
		blobs.down.Store(true)
		<-time.After(3 * time.Hour)
		holds("while the store is down", 3)
		if n := strings.Count(log.lines(), string(events.Error)+" files that no link needs"); n != 1 {
			t.Errorf("the outage is recorded %d times, want once", n)
		}
		blobs.down.Store(false)
		<-time.After(pruneInterval + time.Minute)
		holds("in the end", 0)
		stop()
		running.Wait()
		closeSpool(t, store)
	})
}

// stray stores an object that no message has, long ago.
func stray(t *testing.T, r *Relay, dir string) {
	t.Helper()
	key := r.setup.Load().files.Owner.NewKey(rand.Reader)
	open := func() io.Reader { return strings.NewReader("x") }
	if err := r.setup.Load().blobs.Put(t.Context(), key, 1, open); err != nil {
		t.Fatal(err)
	}
	old := r.now().Add(-25 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, key[:2], key[2:]), old, old); err != nil {
		t.Fatal(err)
	}
}
