package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/events"
	"heyrelay/internal/intake"
)

// openBlobs opens the store of a configuration, and reads from the spool what makes its links.
// It does nothing without a store.
func (r *Relay) openBlobs(s *setup) error {
	b := s.cfg.Blobs
	if b.URL == "" {
		return nil
	}
	var err error
	s.blobs, err = r.parts.OpenBlobs(b.URL, blob.Options{
		MinFree:   int64(s.cfg.Spool.MinFree),
		AccessKey: func() string { return b.AccessKeyID },
		SecretKey: r.password("blobs.secret_access_key", b.SecretAccessKey).get,
		Warn: func(text string) {
			r.sink.Record(events.Event{Kind: events.Anomaly, Time: r.now(), Reason: text})
		},
	})
	if err != nil {
		return fmt.Errorf("blobs.url: %w", err)
	}
	ctx := context.Background()
	key, err := r.store.SigningKey(ctx)
	if err != nil {
		return fmt.Errorf("the key of links: %w", err)
	}
	s.links = blob.NewLinks(key, b.PublicURL)
	owner, err := r.store.Owner(ctx)
	if err != nil {
		return fmt.Errorf("the spool's mark on stored files: %w", err)
	}
	s.files = &intake.Files{
		Blobs:    s.blobs,
		Location: b.URL,
		Links:    s.links,
		Owner:    owner,
		Random:   r.parts.Random,
		Discards: r.discards,
	}
	return nil
}

// useStore records in the spool where the store of a set-up is, if it has one.
func (r *Relay) useStore(s *setup) error {
	if s.files == nil {
		return nil
	}
	if err := r.store.UseStore(context.Background(), s.files.Location); err != nil {
		return fmt.Errorf("record the blob store: %w", err)
	}
	return nil
}

const (
	blobsFresh   = 15 * time.Second // how long it counts whether the store could be used
	blobsTimeout = 5 * time.Second  // how long it may take to find out
)

// blobsCheck is whether a store could be used, when it was last tried.
type blobsCheck struct {
	mu    sync.Mutex
	store blob.Store
	tried time.Time
	err   error
}

// checkBlobs returns why the store of the set-up in force cannot be used. It tries now and then only:
// a bucket is asked over the network.
func (r *Relay) checkBlobs(ctx context.Context) error {
	store := r.setup.Load().blobs
	if store == nil {
		return nil
	}
	c := &r.stored
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := r.now().Sub(c.tried); c.store == store && 0 <= age && age < blobsFresh {
		return c.err
	}
	ctx, cancel := context.WithTimeout(ctx, blobsTimeout)
	defer cancel()
	c.err = store.Ping(ctx)
	c.store = store
	c.tried = r.now()
	return c.err
}
