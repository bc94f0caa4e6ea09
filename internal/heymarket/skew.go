package heymarket

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// mostSkew is the largest difference that counts: with more, the API refuses signed tokens, and a clock is plainly
	// wrong.
	mostSkew = 5 * time.Minute

	// drift is how much a known difference may change within a search: it is read to the second.
	drift = 10 * time.Second
)

// skew is by how much the API's clock is ahead of ours, as its last response said. The zero value is not at all.
type skew struct{ ahead atomic.Int64 }

// note takes the Date of a response into account.
func (s *skew) note(date string, now time.Time) {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := theirs.Sub(now)
	if ahead.Abs() > mostSkew {
		ahead = 0
	}
	s.ahead.Store(int64(ahead))
}

// widen returns a span of time by our clock with what it is by the API's.
func (s *skew) widen(from, to time.Time) (first, last time.Time) {
	ahead := time.Duration(s.ahead.Load())
	return from.Add(min(ahead, 0)), to.Add(max(ahead, 0))
}

// covers reports whether a search from first to last is one of the span from from to to, by what is known now.
func (s *skew) covers(first, last, from, to time.Time) bool {
	from, to = s.widen(from, to)
	return !from.Before(first.Add(-drift)) && !to.After(last.Add(drift))
}
