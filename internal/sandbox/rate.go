package sandbox

import (
	"net/http"
	"strconv"
	"time"
)

// window holds the times of the calls in the last 60 seconds.
type window []time.Time

// admit counts a call of t, unless it would be one too many in some 60 seconds.
// Calls that are turned away do not count.
func (s *Sandbox) admit(t *team) bool {
	if s.o.RatePerMinute == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for len(t.calls) > 0 && now.Sub(t.calls[0]) >= time.Minute {
		t.calls = t.calls[1:]
	}
	if len(t.calls) >= s.o.RatePerMinute {
		s.stats.Throttled++
		return false
	}
	t.calls = append(t.calls, now)
	return true
}

// throttled is the answer to one call too many.
func (s *Sandbox) throttled() reply {
	rep := errorReply(http.StatusTooManyRequests, "too many requests in this minute")
	if s.o.RetryAfter > 0 {
		rep.header.Set("Retry-After", strconv.Itoa(int(s.o.RetryAfter.Seconds())))
	}
	return rep
}
