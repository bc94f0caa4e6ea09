// Package cleaning deletes from the blob store what no link needs any longer: the objects of links
// that have expired or were revoked, and objects that a crash left behind before the spool knew them.
//
// A round can end anywhere, and several processes can do one at the same time: what must be deleted
// is in the spool until it has been deleted.
package cleaning

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/spool"
)

const (
	step     = 200            // attachments or objects of one transaction, so that accepting is not delayed
	fresh    = 24 * time.Hour // how long an object may wait for its message to be accepted
	failures = 10             // objects that cannot be deleted, one after the other, before a round is given up
)

// Cleaner does rounds, one at a time.
type Cleaner struct {
	Spool spool.Cleaning
	Blobs blob.Store
	Now   func() time.Time
	Pause time.Duration // between two steps, for other users of the spool

	after string // the garbage that was tried last: a round goes on where the one before ended
}

// Cleaned counts what a round did.
type Cleaned struct {
	Links   int `json:"links"`   // that ended, and are forgotten
	Strays  int `json:"strays"`  // objects that the spool does not know
	Objects int `json:"objects"` // that were deleted, strays included
}

// Round does one round, of small steps: it forgets links that have ended, looks for strays, and
// deletes the objects of both. What fails is left to the next round. The error is the first.
func (c *Cleaner) Round(ctx context.Context, strays bool) (done Cleaned, err error) {
	done.Links, err = c.links(ctx)
	if err != nil {
		return done, err
	}
	var unlisted error
	if strays {
		done.Strays, unlisted = c.strays(ctx)
	}
	done.Objects, err = c.garbage(ctx)
	return done, cmp.Or(unlisted, err)
}

// links has the spool forget the links that have ended.
func (c *Cleaner) links(ctx context.Context) (total int, err error) {
	for {
		n, err := c.Spool.PruneFiles(ctx, c.Now(), step)
		total += n
		if n == 0 || err != nil {
			return total, err
		}
		if err := c.rest(ctx); err != nil {
			return total, err
		}
	}
}

// strays makes garbage of the objects that have been there for long, and of which the spool does not
// know: their message was not accepted.
func (c *Cleaner) strays(ctx context.Context) (total int, err error) {
	owner, err := c.Spool.Owner(ctx)
	if err != nil {
		return 0, err
	}
	var keys []string
	discard := func() error {
		n, err := c.Spool.Discard(ctx, keys...)
		total += n
		keys = keys[:0]
		return err
	}
	limit := c.Now().Add(-fresh)
	err = c.Blobs.List(ctx, func(o blob.Info) error {
		if !blob.Owner(owner).Owns(o.Key) || !o.Stored.Before(limit) {
			return nil
		}
		keys = append(keys, o.Key)
		if len(keys) < step {
			return nil
		}
		return errors.Join(discard(), c.rest(ctx))
	})
	if err != nil {
		return total, fmt.Errorf("list the objects of the blob store: %w", err)
	}
	return total, discard()
}

// garbage deletes objects, and has the spool forget them after that. The error is the first of those
// of single objects, which are left to another round.
func (c *Cleaner) garbage(ctx context.Context) (total int, failed error) {
	for {
		keys, err := c.Spool.Garbage(ctx, c.after, step)
		if err != nil {
			return total, err
		}
		if len(keys) == 0 {
			c.after = ""
			return total, failed
		}
		deleted, err := c.delete(ctx, keys)
		failed = cmp.Or(failed, err)
		if err := c.Spool.Deleted(ctx, deleted...); err != nil {
			return total, err
		}
		total += len(deleted)
		if c.after != keys[len(keys)-1] { // it gave up
			return total, failed
		}
		if err := c.rest(ctx); err != nil {
			return total, err
		}
	}
}

// delete deletes objects, and returns which it could, and the first error. It gives up if the store is
// not available, or does not delete one after the other.
func (c *Cleaner) delete(ctx context.Context, keys []string) (deleted []string, failed error) {
	inRow := 0
	for _, key := range keys {
		c.after = key
		err := c.Blobs.Delete(ctx, key)
		if err == nil {
			deleted = append(deleted, key)
			inRow = 0
			continue
		}
		inRow++
		failed = cmp.Or(failed, err)
		if inRow == failures || errors.Is(err, blob.ErrUnavailable) || ctx.Err() != nil {
			break
		}
	}
	return deleted, failed
}

// rest waits between two steps.
func (c *Cleaner) rest(ctx context.Context) error {
	if c.Pause == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(c.Pause):
		return nil
	}
}
