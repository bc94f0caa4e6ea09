package ical

import (
	"strings"
	"time"
)

// moment is a date, with a time of day unless it stands for a whole day.
type moment struct {
	time.Time
	day  bool
	zone string // as named in the calendar; "" is local time
	raw  string // the value if it cannot be parsed
}

// readMoment parses a date or a date with time (RFC 5545, sections 3.3.4 and 3.3.5).
func readMoment(p property) moment {
	if t, err := time.Parse("20060102", p.value); err == nil {
		return moment{Time: t, day: true}
	}
	if t, err := time.Parse("20060102T150405Z", p.value); err == nil {
		return moment{Time: t, zone: "UTC"}
	}
	if t, err := time.Parse("20060102T150405", p.value); err == nil {
		return moment{Time: t, zone: strings.TrimPrefix(oneLine(p.params["TZID"]), "/")}
	}
	return moment{raw: oneLine(p.value)}
}

func (m moment) known() bool { return !m.IsZero() }

// String formats a moment without its zone.
func (m moment) String() string {
	switch {
	case !m.known():
		return m.raw
	case m.day:
		return m.Format("Monday, 2 January 2006")
	}
	return m.Format("Monday, 2 January 2006, 15:04")
}

// zoneName returns the zone in brackets, "" for local time.
func (m moment) zoneName() string {
	if m.zone == "" || !m.known() || m.day {
		return ""
	}
	return " (" + m.zone + ")"
}

func (m moment) withZone() string { return m.String() + m.zoneName() }
