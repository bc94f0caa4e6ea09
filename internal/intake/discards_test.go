package intake

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Discards are deleted beside everything else, and at the end as far as there is time.
func TestDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t)
		d := NewDiscards()
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx, func() time.Duration { return time.Second }) })
		f.objects = map[string]string{"a": "", "b": ""}
		d.add(f, "a")
		synctest.Wait()
		if len(f.objects) != 1 {
			t.Errorf("objects %v", f.objects)
		}
		for range 2 * maxDiscards {
			d.add(stuck{}, "c") // nobody waits for it
		}
		end()
		began := time.Now()
		running.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

// stuck is a store that does not answer.
type stuck struct{ Blobs }

func (stuck) Delete(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}
