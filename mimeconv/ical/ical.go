// Package ical summarizes a calendar (iCalendar, RFC 5545) in plain text, for mail programs
// that do not support invitations.
//
// A calendar is read line by line (property.go). Of each event and task the details that
// matter to people are kept (event.go), and dates are written in words (moment.go). Anything
// else is omitted; a value that cannot be parsed is shown as is.
package ical

import (
	"fmt"
	"strings"
)

// The limits of a summary. An invitation has one event, plus one for each exception of a
// recurring event.
const (
	maxEvents    = 20
	maxAttendees = 50

	// maxDescription bounds the description of an event, in runes.
	maxDescription = 20_000
)

// Summarize returns the title, time, place, people and status of each event and task in a
// calendar, one to a line, with a blank line between events. text is UTF-8 with lines that
// end with "\n". The result is "" if there is neither an event nor a task.
func Summarize(text string) string {
	var events []string
	method, more := "", 0
	var open []string // open components, outermost first
	var e *event
	for line := range unfolded(text) {
		p := readProperty(line)
		switch p.name {
		case "BEGIN":
			open = append(open, strings.ToUpper(p.value))
			if e == nil && isEvent(p.value) {
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
			if e != nil && len(open) == e.depth { // not a property of a nested alarm
				e.read(p)
			}
		}
	}
	if e != nil { // the calendar is truncated
		events = append(events, e.summary(method))
	}
	if more > 0 {
		events = append(events, fmt.Sprintf("(%d more)", more))
	}
	return strings.Join(events, "\n\n")
}

// isEvent reports whether a component is summarized.
func isEvent(name string) bool {
	return strings.EqualFold(name, "VEVENT") || strings.EqualFold(name, "VTODO")
}
