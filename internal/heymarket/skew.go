package heymarket

import (
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// mostSkew is how much of a difference of the clocks counts: with more, the API refuses signed tokens.
	mostSkew = 5 * time.Minute

	// drift is how much a known difference may change within a search: it is read to the second.
	drift = 10 * time.Second
)

// skew is by how much the API's clock is ahead of ours, as its last response said. The zero value is not at all.
type skew struct{ ahead atomic.Int64 }

// note takes the Date of a response into account.
func (s *skew) note(date string, now time.Time) {
	if theirs, err := http.ParseTime(date); err == nil {
		s.ahead.Store(int64(theirs.Sub(now)))
	}
}

// widen returns a span of time by our clock with what it is by the API's.
func (s *skew) widen(from, to time.Time) (first, last time.Time) {
	ahead := min(max(time.Duration(s.ahead.Load()), -mostSkew), mostSkew)
	return from.Add(min(ahead, 0)), to.Add(max(ahead, 0))
}

// covers reports whether a search from first to last is one of the span from from to to, by what is known now.
func (s *skew) covers(first, last, from, to time.Time) bool {
	from, to = s.widen(from, to)
	return !from.Before(first.Add(-drift)) && !to.After(last.Add(drift))
}
