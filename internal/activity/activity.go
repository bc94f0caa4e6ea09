// Package activity counts what happens in each minute of the last day, in memory.
//
// A [Counter] is an event sink. It costs the same whatever the spool holds: nothing is counted by
// reading messages.
package activity

import (
	"math"
	"sync"
	"time"

	"heyrelay/internal/events"
)

// Span is how far back a Counter reaches, in minutes.
const Span = 24 * 60

// Minute is what happened within one minute.
type Minute struct {
	Start    time.Time
	Accepted int            // messages answered 250
	Refused  int            // messages and commands answered 4xx or 5xx
	Sent     int            // requests that the API accepted
	Flagged  int            // requests that it accepted, but did not queue
	Failed   int            // requests that failed permanently
	Deferred int            // attempts that failed for now
	Pending  int            // requests, at the last look; -1: nobody looked
	Median   time.Duration  // from the 250 to the API's acceptance; 0: none
	P95      time.Duration  // of which 95 of 100 took no longer
	Calls    map[string]int // calls of the API that ended, by team
}

// Counter is an events.Sink that counts by the minute. Make one with New.
type Counter struct {
	now func() time.Time

	mu   sync.Mutex
	ring [Span]minute
}

type minute struct {
	Minute
	took *[buckets]int32 // deliveries, by duration; nil: none
}

// Durations are counted in buckets, each wider by a quarter of an octave, from a millisecond to
// eleven days: what is read from them is wrong by a tenth at most.
const (
	buckets     = 120
	perDoubling = 4
)

// New returns a Counter that has counted nothing.
func New(now func() time.Time) *Counter { return &Counter{now: now} }

// Record implements events.Sink. An event counts in the minute in which it arrives.
func (c *Counter) Record(e events.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.current()
	switch e.Kind {
	case events.Accepted:
		m.Accepted++
	case events.Refused:
		m.Refused++
	case events.Sent:
		m.Sent++
		m.count(e.Duration)
	case events.Flagged:
		m.Flagged++
	case events.Failed:
		m.Failed++
	case events.Deferred:
		m.Deferred++
	}
}

func (m *minute) count(d time.Duration) {
	if m.took == nil { // most of what a minute takes, and most have none
		m.took = new([buckets]int32)
	}
	m.took[bucket(d)]++
}

// Call counts a call of the API that has ended. An attempt can make several.
func (c *Counter) Call(team string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.current()
	if m.Calls == nil {
		m.Calls = make(map[string]int)
	}
	m.Calls[team]++
}

// Sample records how many requests are pending now.
func (c *Counter) Sample(pending int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current().Pending = pending
}

// current returns the present minute, emptied of what was counted a day ago.
func (c *Counter) current() *minute {
	start := c.now().UTC().Truncate(time.Minute)
	m := &c.ring[place(start)]
	if !m.Start.Equal(start) {
		*m = minute{Minute: Minute{Start: start, Pending: -1}}
	}
	return m
}

func place(start time.Time) int { return int(((start.Unix()/60)%Span + Span) % Span) }

// Last returns the last n minutes, at most Span, oldest first; the last one is not over.
// Minutes in which nothing happened are there, too.
func (c *Counter) Last(n int) []Minute {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(max(n, 1), Span)
	end := c.now().UTC().Truncate(time.Minute)
	list := make([]Minute, 0, n)
	for i := n - 1; i >= 0; i-- {
		start := end.Add(-time.Duration(i) * time.Minute)
		m := c.ring[place(start)]
		if !m.Start.Equal(start) {
			m = minute{Minute: Minute{Start: start, Pending: -1}}
		}
		list = append(list, m.complete())
	}
	return list
}

// complete returns the minute with its quantiles, which shares nothing with m.
func (m minute) complete() Minute {
	m.Median = m.quantile(0.5)
	m.P95 = m.quantile(0.95)
	calls := make(map[string]int, len(m.Calls))
	for team, n := range m.Calls {
		calls[team] = n
	}
	m.Calls = calls
	return m.Minute
}

// quantile returns the duration that a share q of the deliveries did not exceed.
func (m *minute) quantile(q float64) time.Duration {
	if m.took == nil {
		return 0
	}
	rest := int32(math.Ceil(q * float64(m.Sent)))
	for i, n := range m.took {
		rest -= n
		if n > 0 && rest <= 0 {
			return middle(i)
		}
	}
	return 0
}

// bucket returns where a duration is counted.
func bucket(d time.Duration) int {
	milliseconds := max(d.Seconds()*1000, 1)
	return min(int(perDoubling*math.Log2(milliseconds)), buckets-1)
}

// middle returns the duration that stands for those of a bucket.
func middle(i int) time.Duration {
	return time.Duration(math.Exp2((float64(i)+0.5)/perDoubling) * float64(time.Millisecond)).Round(time.Millisecond)
}
