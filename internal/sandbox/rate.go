package sandbox

import (
	"net/http"
	"strconv"
	"time"
)

// window holds the times of the calls in the last 60 seconds.
type window []time.Time

// admit counts a call of t, unless it exceeds the rate in the last 60 seconds.
// Calls that are refused do not count.
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
		return false
	}
	t.calls = append(t.calls, now)
	return true
}

// throttled is the response to a call that exceeds the rate.
func (s *Sandbox) throttled() reply {
	if s.o.RetryAfter == 0 {
		return tooMany("")
	}
	return tooMany(strconv.Itoa(int(s.o.RetryAfter.Seconds())))
}

func throttledFor(*Sandbox) reply { return tooMany(strconv.Itoa(int(retryTime.Seconds()))) }

func throttledUntil(s *Sandbox) reply {
	return tooMany(s.o.Now().Add(retryTime).UTC().Format(http.TimeFormat))
}

// tooMany is a 429, with a Retry-After unless that is "".
func tooMany(retryAfter string) reply {
	rep := errorReply(http.StatusTooManyRequests, "too many requests in this minute")
	if retryAfter != "" {
		rep.header.Set("Retry-After", retryAfter)
	}
	return rep
}
