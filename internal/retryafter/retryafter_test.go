package retryafter_test

import (
	"net/http"
	"testing"
	"time"

	"heyrelay/internal/retryafter"
)

func TestOf(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	const longest = (1<<32 - 1) * time.Second
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"120", "", 2 * time.Minute},
		{" 120 ", "", 2 * time.Minute},
		{"4294967295", "", longest},
		{"99999999999999999999", "", longest},
		{"-5", "", 0},
		{"1.5", "", 0},
		{"60, 120", "", 0},
		{"soon", "", 0},
		{"Sun, 01 Nov 2026 12:00:07 GMT", "", 7 * time.Second},
		{"Sunday, 01-Nov-26 12:00:07 GMT", "", 7 * time.Second},
		{"Sun Nov  1 12:00:07 2026", "", 7 * time.Second},
		{"Sun, 01 Nov 2026 11:00:00 GMT", "", 0},
		{"Sun, 01 Nov 2026 11:00:07 GMT", "Sun, 01 Nov 2026 11:00:00 GMT", 7 * time.Second},
		{"Sun, 01 Nov 2026 12:00:07 GMT", "yesterday", 7 * time.Second},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", 1<<63 - 1},
	} {
		h := http.Header{"Retry-After": {c.value}, "Date": {c.date}}
		if got := retryafter.Of(h, now); got != c.want {
			t.Errorf("%q, Date %q: %v, want %v", c.value, c.date, got, c.want)
		}
	}
}
