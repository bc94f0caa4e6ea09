// Package retryafter reads the pause that a response of HTTP asks for.
package retryafter

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Of returns the pause in Retry-After (RFC 9110, section 10.2.3), which is seconds or a date; 0 where
// there is none, or something else. A date counts from the response's own Date, so that clocks may
// differ, or else from now. The pause can be years.
func Of(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	seconds, err := strconv.ParseUint(value, 10, 32)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, until.Sub(now))
}
