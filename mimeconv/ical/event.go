package ical

import (
	"fmt"
	"strings"
	"time"
)

// event is an event or a task with the properties that its summary shows.
type event struct {
	depth int // nesting depth of its component

	title, location, status, description, url string
	organizer, rule, length                   string
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
		e.status = strings.ToLower(oneLine(p.text()))
	case "DESCRIPTION":
		e.description = cut(strings.TrimSpace(p.text()), maxDescription)
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
		who += " (" + oneLine(strings.ReplaceAll(answer, "-", " ")) + ")"
	}
	e.attendees = append(e.attendees, who)
}

// summary formats the event, one line for each known property.
func (e *event) summary(method string) string {
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
	line(methodName(method, e.status), title)
	line("When", e.when())
	line("Due", e.due.withZone())
	line("Repeats", e.rule)
	line("Where", e.location)
	line("Organizer", e.organizer)
	line("Who", who)
	line("Status", e.status)
	line("Link", e.url)
	if e.description != "" {
		b.WriteString("\n" + e.description)
	}
	return strings.TrimRight(b.String(), " \t\n")
}

// methodName names the purpose of a calendar message (RFC 5546, section 1.4).
func methodName(method, status string) string {
	switch {
	case method == "CANCEL" || status == "cancelled":
		return "Cancelled"
	case method == "REQUEST":
		return "Invitation"
	case method == "REPLY":
		return "Reply"
	case method == "COUNTER":
		return "Proposal"
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

// repeats describes a recurrence rule (RFC 5545, section 3.3.10).
func repeats(rule string) string {
	parts := make(map[string]string)
	for part := range strings.SplitSeq(strings.ToUpper(oneLine(rule)), ";") {
		name, value, _ := strings.Cut(part, "=")
		parts[name] = value
	}
	unit := map[string]string{
		"HOURLY":  "hour",
		"DAILY":   "day",
		"WEEKLY":  "week",
		"MONTHLY": "month",
		"YEARLY":  "year",
	}[parts["FREQ"]]
	if unit == "" {
		return oneLine(rule)
	}
	s := "every " + unit
	if n := parts["INTERVAL"]; n != "" && n != "1" {
		s = "every " + n + " " + unit + "s"
	}
	if days := parts["BYDAY"]; days != "" {
		s += " on " + strings.ReplaceAll(days, ",", ", ")
	}
	if n := parts["COUNT"]; n != "" {
		s += ", " + n + " times"
	}
	if until := parts["UNTIL"]; until != "" {
		s += ", until " + readMoment(property{value: until}).withZone()
	}
	return s
}
