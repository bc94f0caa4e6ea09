package smtpd

import (
	"sync"
	"time"
)

// tally counts by key, each key for a time that begins with its first count.
type tally struct {
	per time.Duration

	mu   sync.Mutex
	keys map[string]*window
}

type window struct {
	n    int
	ends time.Time
}

// maxKeys bounds what a tally remembers.
const maxKeys = 50_000

func newTally(per time.Duration) *tally { return &tally{per: per, keys: make(map[string]*window)} }

// add counts n more for key and returns its count.
func (t *tally) add(key string, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.at(key)
	if c == nil {
		t.makeRoom()
		c = &window{ends: time.Now().Add(t.per)}
		t.keys[key] = c
	}
	c.n += n
	return c.n
}

// of is the count of key.
func (t *tally) of(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.at(key); c != nil {
		return c.n
	}
	return 0
}

// at is the count of key if its time is not over, nil otherwise. The caller holds mu.
func (t *tally) at(key string) *window {
	c := t.keys[key]
	if c != nil && !time.Now().Before(c.ends) {
		delete(t.keys, key)
		return nil
	}
	return c
}

// makeRoom forgets what is over, and where that is not enough, any half. The caller
// holds mu.
func (t *tally) makeRoom() {
	if len(t.keys) < maxKeys {
		return
	}
	for key := range t.keys {
		t.at(key)
	}
	for key := range t.keys {
		if len(t.keys) <= maxKeys/2 {
			return
		}
		delete(t.keys, key)
	}
}
