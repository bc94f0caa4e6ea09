package smtpd

import (
	"sync"
	"time"
)

// windowCounter counts by key. The window of a key begins with its first count.
type windowCounter struct {
	mu      sync.Mutex
	windows map[string]*window
}

type window struct {
	n    int
	ends time.Time
}

// maxWindows bounds the keys that a windowCounter keeps.
const maxWindows = 50_000

func newWindowCounter() *windowCounter { return &windowCounter{windows: make(map[string]*window)} }

// add counts n more for key and returns the key's count. A window that begins now lasts for
// length.
func (c *windowCounter) add(key string, n int, length time.Duration) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.current(key)
	if w == nil {
		c.evict()
		w = &window{ends: time.Now().Add(length)}
		c.windows[key] = w
	}
	w.n += n
	return w.n
}

// count returns the count of key.
func (c *windowCounter) count(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.current(key); w != nil {
		return w.n
	}
	return 0
}

// current returns the window of key, nil if there is none or it has ended. The caller
// holds mu.
func (c *windowCounter) current(key string) *window {
	w := c.windows[key]
	if w != nil && !time.Now().Before(w.ends) {
		delete(c.windows, key)
		return nil
	}
	return w
}

// evict makes space for another key: it removes windows that have ended, and if those
// are too few, an arbitrary half. The caller holds mu.
func (c *windowCounter) evict() {
	if len(c.windows) < maxWindows {
		return
	}
	for key := range c.windows {
		c.current(key)
	}
	for key := range c.windows {
		if len(c.windows) <= maxWindows/2 {
			return
		}
		delete(c.windows, key)
	}
}
