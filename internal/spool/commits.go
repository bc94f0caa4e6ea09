package spool

import (
	"slices"
	"sync"
	"time"
)

// Histogram counts observations in buckets.
type Histogram struct {
	Bounds []float64 // upper bounds of the buckets, inclusive, in ascending order; fixed
	Counts []uint64  // of each bucket alone; what is beyond the last bound is in Count only
	Count  uint64
	Sum    float64
}

func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds))}
}

// observe counts one more.
func (h *Histogram) observe(x float64) {
	if i, _ := slices.BinarySearch(h.Bounds, x); i < len(h.Bounds) {
		h.Counts[i]++
	}
	h.Count++
	h.Sum += x
}

// Commits is how long the commits of a store took, in seconds, and how many operations each had.
type Commits struct{ Seconds, Operations Histogram }

// CommitCounter counts commits. The zero value is ready for use, also by many goroutines.
type CommitCounter struct {
	mu   sync.Mutex
	last Commits
}

// Add counts one commit.
func (c *CommitCounter) Add(operations int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.Seconds.Bounds == nil {
		c.last.Seconds = newHistogram(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10)
		c.last.Operations = newHistogram(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
	}
	c.last.Seconds.observe(took.Seconds())
	c.last.Operations.observe(float64(operations))
}

// Commits returns what was counted so far.
func (c *CommitCounter) Commits() Commits {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.last
	all.Seconds.Counts = slices.Clone(all.Seconds.Counts)
	all.Operations.Counts = slices.Clone(all.Operations.Counts)
	return all
}
