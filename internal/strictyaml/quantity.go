package strictyaml

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as whole numbers with units: "30s", "5d",
// "1h30m". The units are ms, s, m, h, d (24 hours), w (7 days) and y (365 days).
// "0" needs no unit.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText reads a Duration. Its error explains how to write one.
func (d *Duration) UnmarshalText(text []byte) error {
	advice := errors.New("write a whole number with a unit (ms, s, m, h, d, w, y), such as 30s, 5d or 1h30m")
	if string(text) == "0" {
		*d = 0
		return nil
	}
	rest, sum := string(text), int64(0)
	for first := true; first || rest != ""; first = false {
		q, ok := parseQuantity(rest)
		size := durationUnit(q.unit)
		if !ok || size == 0 || q.n > (math.MaxInt64-sum)/size {
			return advice
		}
		rest = q.tail
		sum += q.n * size
	}
	*d = Duration(sum)
	return nil
}

// String writes d exactly, in as few units as possible, down to the millisecond.
func (d Duration) String() string {
	if d == 0 {
		return "0"
	}
	var b strings.Builder
	rest := int64(d)
	for _, unit := range []string{"y", "d", "h", "m", "s", "ms"} {
		if n := rest / durationUnit(unit); n > 0 {
			b.WriteString(strconv.FormatInt(n, 10) + unit)
			rest -= n * durationUnit(unit)
		}
	}
	return b.String()
}

func durationUnit(unit string) int64 {
	const day = 24 * time.Hour
	switch unit {
	case "ms":
		return int64(time.Millisecond)
	case "s":
		return int64(time.Second)
	case "m":
		return int64(time.Minute)
	case "h":
		return int64(time.Hour)
	case "d":
		return int64(day)
	case "w":
		return int64(7 * day)
	case "y":
		return int64(365 * day)
	}
	return 0
}

// Size is a number of bytes, written as a whole number with a unit: "25MB". KB,
// MB, GB and TB are powers of 1000, as in SI; KiB, MiB, GiB and TiB are powers
// of 1024; B is one byte. "0" needs no unit.
type Size int64

// UnmarshalText reads a Size. Its error explains how to write one.
func (s *Size) UnmarshalText(text []byte) error {
	q, ok := parseQuantity(string(text))
	size := sizeUnit(q.unit)
	if string(text) == "0" {
		size = 1
	}
	if !ok || q.tail != "" || size == 0 || q.n > math.MaxInt64/size {
		return errors.New("write a whole number with a unit (B, KB, MB, GB, or KiB, MiB, GiB), such as 25MB")
	}
	*s = Size(q.n * size)
	return nil
}

// String writes s in the largest unit that is exact.
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	best, unit := int64(1), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"} {
		if n := sizeUnit(u); n > best && int64(s)%n == 0 {
			best, unit = n, u
		}
	}
	return strconv.FormatInt(int64(s)/best, 10) + unit
}

func sizeUnit(unit string) int64 {
	switch unit {
	case "B":
		return 1
	case "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "TB":
		return 1e12
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	case "TiB":
		return 1 << 40
	}
	return 0
}

// Rate is a number of events per minute, written "500/min" or "8/s".
type Rate int64

// UnmarshalText reads a Rate. Its error explains how to write one.
func (r *Rate) UnmarshalText(text []byte) error {
	q, ok := parseQuantity(string(text))
	perMinute := int64(1)
	if q.unit == "/s" {
		perMinute = 60
	}
	if !ok || q.tail != "" || q.unit != "/min" && q.unit != "/s" || q.n > math.MaxInt64/perMinute {
		return errors.New("write a number per minute or second, such as 500/min or 8/s")
	}
	*r = Rate(q.n * perMinute)
	return nil
}

// String writes r per minute.
func (r Rate) String() string { return strconv.FormatInt(int64(r), 10) + "/min" }

// quantity is a whole number, its unit, and what follows.
type quantity struct {
	n          int64
	unit, tail string
}

// parseQuantity splits the first quantity off s. A leading zero or a missing number is
// not ok.
func parseQuantity(s string) (q quantity, ok bool) {
	isDigit := func(r rune) bool { return '0' <= r && r <= '9' }
	q.tail = strings.TrimLeftFunc(s, isDigit)
	digits := s[:len(s)-len(q.tail)]
	q.unit = q.tail
	if i := strings.IndexFunc(q.tail, isDigit); i >= 0 {
		q.unit = q.tail[:i]
	}
	q.tail = q.tail[len(q.unit):]
	q.n, ok = WholeNumber(digits)
	return q, ok
}

// WholeNumber reads decimal digits without a leading zero, the only form that no
// reader of YAML takes for another number.
func WholeNumber(s string) (int64, bool) {
	if s != "0" && (strings.HasPrefix(s, "0") || strings.Trim(s, "0123456789") != "") {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
