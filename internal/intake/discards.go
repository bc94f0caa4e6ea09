package intake

import (
	"context"
	"time"
)

const (
	// maxDiscards bounds the objects that wait to be deleted. What is beyond it is removed with
	// what a crash leaves, when it is a day old.
	maxDiscards = 1000

	// discardTime is how long a store may take to delete an object.
	discardTime = 30 * time.Second
)

// Discards deletes objects of blob stores that no message has, beside everything else. That is best
// effort: what it leaves is removed later.
type Discards struct{ waiting chan discarded }

type discarded struct {
	from Blobs
	key  string
}

// NewDiscards returns a Discards for Run.
func NewDiscards() *Discards { return &Discards{make(chan discarded, maxDiscards)} }

// add has an object deleted.
func (d *Discards) add(from Blobs, key string) {
	select {
	case d.waiting <- discarded{from, key}:
	default:
	}
}

// Run deletes what is added until ctx ends, and then the rest, for at most the time that left returns.
func (d *Discards) Run(ctx context.Context, left func() time.Duration) {
	for {
		select {
		case o := <-d.waiting:
			o.delete(ctx)
		case <-ctx.Done():
			d.end(context.WithoutCancel(ctx), left())
			return
		}
	}
}

// end deletes the rest, within a time.
func (d *Discards) end(ctx context.Context, left time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case o := <-d.waiting:
			o.delete(ctx)
		default:
			return
		}
	}
}

func (o discarded) delete(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, discardTime)
	defer cancel()
	_ = o.from.Delete(ctx, o.key) // removed when it is a day old
}
