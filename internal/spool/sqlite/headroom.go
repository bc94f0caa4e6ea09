package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"heyrelay/internal/spool"
)

// headroom keeps new mail from taking the last of the disk.
type headroom struct {
	min  int64
	free func() (int64, error)
	now  func() time.Time

	mu      sync.Mutex
	checked time.Time
	left    int64
}

func newHeadroom(path string, o Options) *headroom {
	h := &headroom{min: o.MinFree, free: o.Free, now: o.Now}
	if h.free == nil {
		h.free = func() (int64, error) { return freeSpace(filepath.Dir(path)) }
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// check returns ErrFull where less than min is free.
func (h *headroom) check() error {
	if h.min <= 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.checked.IsZero() || now.Sub(h.checked).Abs() >= time.Second {
		left, err := h.free()
		if err != nil {
			return fmt.Errorf("find the free space of the spool: %w", err)
		}
		h.checked, h.left = now, left
	}
	if h.left < h.min {
		return fmt.Errorf("%w: %d bytes are free, spool.min_free is %d", spool.ErrFull, h.left, h.min)
	}
	return nil
}

// freeSpace is what an ordinary user can still write below dir.
func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
