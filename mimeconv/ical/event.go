package ical

import (
	"fmt"
	"strings"
	"time"
)

// event is an event or a task with the properties that its summary shows.
type event struct {
	depth  int  // nesting depth of its component
	isTask bool // a VTODO

	title, location, status, description, url string
	organizer, rule, length, comment          string
	start, end, due                           moment
	attendees                                 []string
	more                                      int // number of attendees beyond maxAttendees
}

// read processes a property.
func (e *event) read(p property) {
	switch p.name {
	case "SUMMARY":
		e.title = oneLine(p.text())
	case "LOCATION":
		e.location = oneLine(p.text())
	case "STATUS":
		e.status = statusWords(oneLine(p.text()))
	case "DESCRIPTION":
		e.description = cut(strings.TrimSpace(p.text()), maxDescription)
	case "COMMENT": // of who replies
		e.comment = cut(oneLine(p.text()), maxDescription)
	case "URL":
		e.url = oneLine(p.value)
	case "ORGANIZER":
		e.organizer = p.person()
	case "ATTENDEE":
		e.attend(p)
	case "RRULE":
		e.rule = repeats(p.value)
	case "DURATION":
		e.length = p.value
	case "DTSTART":
		e.start = readMoment(p)
	case "DTEND":
		e.end = readMoment(p)
	case "DUE":
		e.due = readMoment(p)
	}
}

// attend adds an attendee with their answer.
func (e *event) attend(p property) {
	if len(e.attendees) == maxAttendees {
		e.more++
		return
	}
	who := p.person()
	if answer := strings.ToLower(p.params["PARTSTAT"]); answer != "" && answer != "needs-action" {
		who += " (" + statusWords(oneLine(answer)) + ")"
	}
	e.attendees = append(e.attendees, who)
}

// statusWords returns a status (RFC 5545, section 3.8.1.11) in words.
func statusWords(status string) string {
	status = strings.ToLower(status)
	if status == "in-process" {
		return "in progress"
	}
	return strings.ReplaceAll(status, "-", " ")
}

// summary formats the event, one line for each known property, and then its description.
func (e *event) summary(method string, hasDescription bool) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + value + "\n")
		}
	}
	title := e.title
	if title == "" {
		title = "(no title)"
	}
	who := strings.Join(e.attendees, ", ")
	if e.more > 0 {
		who += fmt.Sprintf(" and %d more", e.more)
	}
	line(e.heading(method), title)
	line("When", e.when())
	line("Due", e.due.withZone())
	line("Repeats", e.rule)
	line("Where", e.location)
	line("Organizer", e.organizer)
	line("Who", who)
	line("Status", e.status)
	line("Comment", e.comment)
	line("Link", e.url)
	if e.description != "" && hasDescription {
		b.WriteString("\n" + e.description)
	}
	return strings.TrimRight(b.String(), " \t\n")
}

// heading names the purpose of a calendar message (RFC 5546, section 1.4) or the kind of entry.
func (e *event) heading(method string) string {
	switch {
	case method == "CANCEL" || e.status == "cancelled":
		return "Cancelled"
	case method == "REPLY":
		return "Reply"
	case method == "COUNTER":
		return "Proposal"
	case e.isTask:
		return "Task"
	case method == "REQUEST":
		return "Invitation"
	}
	return "Event"
}

// when formats the start and the end, without repeating what they share.
func (e *event) when() string {
	end := e.end
	if d, ok := readDuration(e.length); ok && !end.known() && e.start.known() {
		end = e.start
		end.Time = end.Add(d)
	}
	from := e.start.String()
	switch {
	case !end.known() || !e.start.known():
		return e.start.withZone()
	case e.start.day:
		last := end.AddDate(0, 0, -1) // section 3.6.1: the end date is exclusive
		if !last.After(e.start.Time) {
			return from
		}
		return from + " to " + moment{Time: last, day: true}.String()
	case e.start.zone != end.zone:
		return e.start.withZone() + " to " + end.withZone()
	case e.start.Format(time.DateOnly) == end.Format(time.DateOnly):
		return from + " to " + end.Format("15:04") + end.zoneName()
	}
	return from + " to " + end.withZone()
}

// readDuration parses a duration (RFC 5545, section 3.3.6) such as "PT1H30M".
func readDuration(s string) (time.Duration, bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "+"), "P")
	if !ok || len(rest) > 20 {
		return 0, false
	}
	units := map[byte]time.Duration{
		'W': 7 * 24 * time.Hour,
		'D': 24 * time.Hour,
		'H': time.Hour,
		'M': time.Minute,
		'S': time.Second,
	}
	var all time.Duration
	n := time.Duration(0)
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch unit := units[c]; {
		case '0' <= c && c <= '9' && n < 100_000:
			n = n*10 + time.Duration(c-'0')
		case c == 'T':
		case unit > 0:
			all += n * unit
			n = 0
		default:
			return 0, false
		}
	}
	return all, true
}
