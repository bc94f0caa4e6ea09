package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"heyrelay/internal/spool"
)

// logRoom is how much of the disk must be free whatever the spool's file can reuse: all
// that is written goes through the log, which grows to about this size.
const logRoom = 64 << 20

// headroom keeps new mail from taking the last of the disk, and from a spool whose files
// were taken away.
type headroom struct {
	min      int64
	free     func() (int64, error)
	reusable func() (int64, error) // bytes of the spool's file that hold nothing
	now      func() time.Time
	files    identity

	mu      sync.Mutex
	checked time.Time
	disk    int64 // bytes free in the file system
	room    int64 // and with what the file can reuse, less what was accepted since
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

// check returns ErrFull if a message of size bytes would leave less than min free, and
// ErrReplaced if the spool's files are not those that were opened. It looks at the disk
// at most once a second, and counts in between.
func (h *headroom) check(size int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.checked.IsZero() || now.Sub(h.checked).Abs() >= time.Second {
		if err := h.look(); err != nil {
			return err
		}
		h.checked = now
	}
	if h.min <= 0 {
		return nil
	}
	if h.room-size < h.min || h.disk < min(h.min, logRoom) {
		return fmt.Errorf("%w: %d bytes are free, the message needs %d and spool.min_free is %d",
			spool.ErrFull, h.room, size, h.min)
	}
	h.room -= size
	return nil
}

// look measures the disk and checks the files.
func (h *headroom) look() error {
	if err := h.files.check(); err != nil {
		return err
	}
	if h.min <= 0 {
		return nil
	}
	disk, err := h.free()
	if err != nil {
		return fmt.Errorf("find the free space of the spool: %w", err)
	}
	reusable, err := h.reusable()
	if err != nil {
		return fmt.Errorf("find the reusable space of the spool: %w", err)
	}
	h.disk, h.room = disk, disk+reusable
	return nil
}
