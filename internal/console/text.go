package console

import (
	"fmt"
	"strconv"
	"time"
)

// count writes a number with a thin space between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}

// number writes n things: "1 message", "3 messages".
func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// size writes a number of octets: "7 bytes", "1.2 MB", "21 MB".
func size(octets int64) string {
	units := []string{"bytes", "KB", "MB", "GB"}
	n := float64(octets)
	for len(units) > 1 && n >= 999.5 {
		n /= 1000
		units = units[1:]
	}
	digits := 0
	if n < 9.95 && units[0] != "bytes" {
		digits = 1
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + " " + units[0]
}

// span writes a number of minutes.
func span(minutes int) string {
	switch {
	case minutes%60 == 0:
		return number(minutes/60, "hour")
	case minutes == 1:
		return "a minute"
	}
	return number(minutes, "minute")
}

// short writes a duration in its largest unit.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// ago writes how long before now t was.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Second:
		return "in " + short(-d)
	case d < 2*time.Second:
		return "just now"
	case d < 10*time.Second:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	}
	return short(d) + " ago"
}
