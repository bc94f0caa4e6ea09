// Package ical makes a readable summary of a calendar (iCalendar, RFC 5545): what an
// invitation says to somebody whose mail program knows no calendars.
//
// It reads a calendar line by line (property.go), takes of its events and tasks what
// people want to know (event.go) and writes dates as people do (moment.go). What it
// does not understand it leaves out, or shows as it is written.
package ical

import (
	"fmt"
	"strings"
)

// The bounds of a calendar's summary. An invitation has one event, or one for
// each exception to its series; a whole calendar is no mail to read.
const (
	maxEvents    = 20
	maxAttendees = 50

	// maxDescription bounds an event's description, in runes.
	maxDescription = 20_000
)

// Summarize says what a calendar holds: what, when, where, who and its status, a line
// for each, with a blank line between two events. text is UTF-8 with lines ended by
// "\n". The result is "" where there is no event in it.
func Summarize(text string) string {
	var events []string
	method, more := "", 0
	var open []string // components, from the outside in
	var e *event
	for line := range unfolded(text) {
		p := readProperty(line)
		switch p.name {
		case "BEGIN":
			if open = append(open, strings.ToUpper(p.value)); e == nil && isEvent(p.value) {
				e = &event{depth: len(open)}
			}
		case "END":
			if e != nil && len(open) == e.depth {
				if len(events) < maxEvents {
					events = append(events, e.summary(method))
				} else {
					more++
				}
				e = nil
			}
			open = open[:max(0, len(open)-1)]
		case "METHOD":
			method = strings.ToUpper(p.value)
		default:
			if e != nil && len(open) == e.depth { // not of an alarm within it
				e.read(p)
			}
		}
	}
	if e != nil { // the calendar is cut
		events = append(events, e.summary(method))
	}
	if more > 0 {
		events = append(events, fmt.Sprintf("(%d more)", more))
	}
	return strings.Join(events, "\n\n")
}

// isEvent reports whether a component is one to tell of.
func isEvent(name string) bool {
	return strings.EqualFold(name, "VEVENT") || strings.EqualFold(name, "VTODO")
}
