package console

import (
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{
		0: "0", 999: "999", 1000: "1\u2009000", 1234567: "1\u2009234\u2009567", -1234: "-1\u2009234", -123: "-123",
	} {
		if got := count(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 999: "999 bytes", 1000: "1.0 KB", 9_999: "10 KB", 999_400: "999 KB", 999_600: "1.0 MB",
		20_971_520: "21 MB", 5_000_000_000_000: "5000 GB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Second:            "just now",
		5 * time.Second:        "5 s ago",
		90 * time.Second:       "1 min ago",
		3 * time.Hour:          "3 h ago",
		72 * time.Hour:         "3 days ago",
		-90 * time.Second:      "in 1 min",
		1500 * time.Second:     "25 min ago",
		100 * time.Microsecond: "just now",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%s ago is %q, want %q", d, got, want)
		}
	}
}
