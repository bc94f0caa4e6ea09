package cleaning

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// stage is a spool and a blob store.
type stage struct {
	*testing.T
	dir   string
	store *sqlite.Store
	blobs blob.Store
	owner blob.Owner

	mu sync.Mutex
	n  int // messages
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, dir: t.TempDir()}
	var err error
	s.store, err = sqlite.Open(t.Context(), spoolIn(s.dir), sqlite.Options{})
	s.must(err)
	t.Cleanup(func() {
		if err := errors.Join(s.store.Check(context.Background()), s.store.Close()); err != nil {
			t.Error(err)
		}
	})
	s.blobs, err = openBlobs(s.dir)
	s.must(err)
	s.owner, err = s.store.Owner(t.Context())
	s.must(err)
	return s
}

func spoolIn(dir string) string { return filepath.Join(dir, "spool.db") }

func openBlobs(dir string) (blob.Store, error) {
	return blob.Open("file://"+filepath.ToSlash(dir)+"/blobs", blob.Options{})
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// later is a cleaner at a time from now.
func (s *stage) later(after time.Duration) *Cleaner {
	return &Cleaner{Spool: s.store, Blobs: s.blobs, Now: func() time.Time { return time.Now().Add(after) }}
}

// put stores an object.
func (s *stage) put(owner blob.Owner, content string) (key string) {
	s.Helper()
	key = owner.NewKey(rand.Reader)
	open := func() io.Reader { return strings.NewReader(content) }
	s.must(s.blobs.Put(s.Context(), key, int64(len(content)), open))
	return key
}

// accept stores a message with a file, as intake does, and returns the id of the link.
func (s *stage) accept(content string, expires time.Time) spool.LinkHash {
	s.Helper()
	s.mu.Lock()
	s.n++
	id := fmt.Sprint("Q", s.n)
	s.mu.Unlock()
	m := &spool.Message{
		QueueID: id, Accepted: time.Now(), Route: "orders", Team: "shop",
		Requests: []spool.Request{{LocalID: id, To: []string{"a@example.com"}, Participants: "a@example.com"}},
		Files: []spool.File{{
			ID:            sha256.Sum256([]byte(id)),
			Key:           s.put(s.owner, content),
			ContentDigest: sha256.Sum256([]byte(content)),
			Size:          int64(len(content)),
			Expires:       expires,
		}},
	}
	receipt, err := s.store.Accept(s.Context(), m)
	s.must(err)
	for _, key := range receipt.Unused {
		s.must(s.blobs.Delete(s.Context(), key))
	}
	return m.Files[0].ID
}

// served fails the test unless a link leads to its content.
func (s *stage) served(id spool.LinkHash, content string) {
	s.Helper()
	a, err := s.store.File(s.Context(), id)
	if err != nil {
		s.Errorf("the link to %q: %v", content, err)
		return
	}
	object, err := s.blobs.Open(s.Context(), a.Key)
	if err != nil {
		s.Errorf("%q: %v", content, err)
		return
	}
	defer object.Close()
	if got, err := io.ReadAll(object); string(got) != content || err != nil {
		s.Errorf("the link leads to %q (%v), want %q", got, err, content)
	}
}

// holds fails the test unless the store has so many objects.
func (s *stage) holds(want int) {
	s.Helper()
	var keys []string
	s.must(s.blobs.List(s.Context(), func(o blob.Info) error {
		keys = append(keys, o.Key)
		return nil
	}))
	if len(keys) != want {
		s.Errorf("the store has %v, want %d objects", keys, want)
	}
}

func (s *stage) round(c *Cleaner, want Cleaned) {
	s.Helper()
	if got, err := c.Round(s.Context(), true); got != want || err != nil {
		s.Errorf("the round did %+v (%v), want %+v", got, err, want)
	}
}

const day = 24 * time.Hour

// What no link needs goes: not before the last link, not what is fresh, and nothing of another spool.
func TestRound(t *testing.T) {
	s := newStage(t)
	short := s.accept("shared", time.Now().Add(2*day))
	long := s.accept("shared", time.Now().Add(4*day))
	s.accept("brief", time.Now().Add(time.Hour))
	s.put(s.owner, "left by a crash")
	s.put(blob.Owner{1}, "of another spool")
	s.round(s.later(0), Cleaned{})
	s.round(s.later(day-time.Minute), Cleaned{Links: 1, Objects: 1})
	s.holds(3)
	s.round(s.later(day+time.Minute), Cleaned{Strays: 1, Objects: 1})
	s.holds(2)
	s.served(short, "shared")
	s.round(s.later(3*day), Cleaned{Links: 1})
	s.served(long, "shared")
	s.round(s.later(5*day), Cleaned{Links: 1, Objects: 1})
	s.holds(1)
	s.round(s.later(6*day), Cleaned{})
}

// Many go in steps, strays as well.
func TestSteps(t *testing.T) {
	s := newStage(t)
	const many = step + 1
	for range many {
		s.put(s.owner, "stray")
	}
	s.round(s.later(2*day), Cleaned{Strays: many, Objects: many})
	s.holds(0)
}

// failing is a store that does not delete some objects.
type failing struct {
	blob.Store
	err   error
	keys  []string // nil: all
	tried int
}

func (f *failing) Delete(ctx context.Context, key string) error {
	f.tried++
	if f.keys == nil || slices.Contains(f.keys, key) {
		return f.err
	}
	return f.Store.Delete(ctx, key)
}

// While the store is down, nothing is forgotten, and it is not asked for each object.
func TestStoreDown(t *testing.T) {
	s := newStage(t)
	for range 30 {
		s.put(s.owner, "stray")
	}
	for err, tries := range map[error]int{blob.ErrUnavailable: 1, blob.ErrDenied: failures} {
		down := &failing{Store: s.blobs, err: err}
		c := s.later(2 * day)
		c.Blobs = down
		if got, failed := c.Round(t.Context(), true); got.Objects != 0 || !errors.Is(failed, err) || down.tried != tries {
			t.Errorf("%v: the round did %+v (%v) in %d tries", err, got, failed, down.tried)
		}
	}
	s.round(s.later(2*day), Cleaned{Objects: 30})
	s.holds(0)
}

// What cannot be deleted keeps nothing else from it, in this round or in the next one.
func TestSomeObjectsFail(t *testing.T) {
	s := newStage(t)
	var keys []string
	for range 2*failures + 5 {
		keys = append(keys, s.put(s.owner, "stray"))
	}
	slices.Sort(keys)
	broken := &failing{Store: s.blobs, err: blob.ErrDenied, keys: slices.Concat(keys[1:2], keys[5:5+failures])}
	c := s.later(2 * day)
	c.Blobs = broken
	if got, err := c.Round(t.Context(), true); got.Objects != 4 || !errors.Is(err, blob.ErrDenied) {
		t.Errorf("the first round did %+v (%v), want 4 objects before it gave up", got, err)
	}
	if got, err := c.Round(t.Context(), true); got.Objects != failures || err != nil {
		t.Errorf("the second round did %+v (%v), want the rest", got, err)
	}
	s.holds(1 + failures)
	broken.keys = []string{}
	s.round(c, Cleaned{Objects: 1 + failures})
	s.holds(0)
}

// Cleaners of two processes work beside messages that come: each link that is open leads to its file,
// and nothing is left in the end.
func TestTogether(t *testing.T) {
	s := newStage(t)
	o, err := sqlite.OpenOperator(spoolIn(s.dir))
	s.must(err)
	defer o.Close()
	ctx, stop := context.WithCancel(t.Context())
	var cleaners sync.WaitGroup
	for _, clean := range []spool.Cleaning{s.store, o} {
		c := s.later(0)
		c.Spool = clean
		cleaners.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Round(ctx, true); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	var producers sync.WaitGroup
	for range 4 {
		producers.Go(func() {
			for i := range 40 {
				content := fmt.Sprint("content ", i%3)
				open := s.accept(content, time.Now().Add(time.Hour))
				s.accept(content, time.Now())
				s.served(open, content)
			}
		})
	}
	producers.Wait()
	stop()
	cleaners.Wait()
	if _, err := s.later(2*day).Round(t.Context(), true); err != nil {
		t.Error(err)
	}
	s.holds(0)
}
