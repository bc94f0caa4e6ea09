package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"heyrelay/internal/disk"
	"heyrelay/internal/spool"
)

// logRoom is how much of the disk must be free whatever the spool's file can reuse: all
// that is written goes through the log, which grows to about this size.
const logRoom = 64 << 20

// headroom keeps new mail from taking the last of the disk, and from a spool whose files
// were taken away.
type headroom struct {
	limits   func() Limits
	free     func() (int64, error)
	reusable func() (int64, error) // bytes of the spool's file that hold nothing
	now      func() time.Time
	files    identity

	mu      sync.Mutex
	checked time.Time
	least   int64 // that must be free, at that time
	disk    int64 // bytes free in the file system
	room    int64 // and with what the file can reuse, less what was accepted since
}

func newHeadroom(path string, o Options) *headroom {
	h := &headroom{limits: o.limits(), free: o.Free, now: o.now}
	if h.free == nil {
		h.free = func() (int64, error) { return disk.Free(filepath.Dir(path)) }
	}
	return h
}

// check returns ErrFull if a message of size bytes would leave less than Limits.MinFree free, and
// ErrReplaced if the spool's files are not those that were opened. It looks at the disk
// at most once a second, and counts in between.
func (h *headroom) check(size int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	least := h.limits().MinFree
	if now := h.now(); h.checked.IsZero() || now.Sub(h.checked).Abs() >= time.Second || least != h.least {
		if err := h.look(least); err != nil {
			return err
		}
		h.checked = now
		h.least = least
	}
	if least <= 0 {
		return nil
	}
	if h.room-size < least || h.disk < min(least, logRoom) {
		needed := ""
		if size > 0 {
			needed = fmt.Sprintf("the message needs %d and ", size)
		}
		return fmt.Errorf("%w: %d bytes are free; %sspool.min_free is %d; free disk space, or lower it",
			spool.ErrFull, h.room, needed, least)
	}
	h.room -= size
	return nil
}

// look checks the files, and measures the disk if something must be free there.
func (h *headroom) look(least int64) error {
	if err := h.files.check(); err != nil {
		return err
	}
	if least <= 0 {
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
