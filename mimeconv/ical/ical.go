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

// Summary is what a calendar says.
type Summary struct {
	Text  string // the title, time, place, people, status and description of each event and task
	Brief string // Text without the descriptions

	start              moment // of the first event, or when the first task is due
	place, description string // of the first event
}

// Summarize summarizes the events and tasks of a calendar: one line for each detail, with a blank
// line between events. text is UTF-8 with lines that end with "\n". Summary.Text is "" if there is
// neither an event nor a task.
func Summarize(text string) Summary {
	events, method, more := read(text)
	if len(events) == 0 {
		return Summary{}
	}
	var full, brief []string
	for _, e := range events {
		full = append(full, e.summary(method, true))
		brief = append(brief, e.summary(method, false))
	}
	if more > 0 {
		note := fmt.Sprintf("(%d more)", more)
		full, brief = append(full, note), append(brief, note)
	}
	s := Summary{Text: strings.Join(full, "\n\n"), Brief: strings.Join(brief, "\n\n")}
	s.start = events[0].start
	s.place, s.description = events[0].location, events[0].description
	if !s.start.known() {
		s.start = events[0].due
	}
	return s
}

// read reads the first maxEvents events and tasks of a calendar and counts the others.
func read(text string) (events []*event, method string, more int) {
	var open []string // open components, outermost first
	var e *event
	end := func() {
		if len(events) < maxEvents {
			events = append(events, e)
		} else {
			more++
		}
		e = nil
	}
	for line := range unfolded(text) {
		p := readProperty(line)
		switch p.name {
		case "BEGIN":
			open = append(open, strings.ToUpper(p.value))
			if e == nil && isEvent(p.value) {
				e = &event{depth: len(open), isTask: strings.EqualFold(p.value, "VTODO")}
			}
		case "END":
			if e != nil && len(open) == e.depth {
				end()
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
		end()
	}
	return events, method, more
}

// isEvent reports whether a component is summarized.
func isEvent(name string) bool {
	return strings.EqualFold(name, "VEVENT") || strings.EqualFold(name, "VTODO")
}
