package mimeconv

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// The bounds of a calendar's summary. An invitation has one event, or one for
// each exception to its series; a whole calendar is no mail to read.
const (
	maxEvents    = 20
	maxAttendees = 50

	// maxDescription bounds an event's description, in runes.
	maxDescription = 20_000
)

// isCalendar reports whether a part is iCalendar data (RFC 5545).
func isCalendar(kind string) bool { return kind == "text/calendar" || kind == "application/ics" }

// calendarPart makes a readable summary of a calendar. The calendar itself is a
// file too where files can be linked, so that its reader can keep the date.
func (c *converter) calendarPart(p *part) (content, error) {
	declared := cmp.Or(p.params["charset"], "utf-8") // RFC 5545, section 3.1.4
	text, _ := cleanText(c.toUTF8(p.id, c.decode(p), declared, false))
	summary := summarize(text)
	if summary == "" {
		return content{files: []file{{part: p}}}, nil
	}
	if c.size += len(summary); c.size > maxBody {
		return content{}, errTooLarge()
	}
	var all content
	if c.options.Attachments == Link {
		all.files = append(all.files, file{part: p})
	} else {
		c.warn(CalendarSummarized, p.id, "the calendar %s is shown as text", quote(p.name))
	}
	if !c.invited[summary] {
		all.sections = append(all.sections, section{text: summary})
	}
	c.invite(summary)
	return all, nil
}

// invite notes that the message shows this summary: many programs send the same
// invitation as a part to show and as a file.
func (c *converter) invite(summary string) {
	if c.invited == nil {
		c.invited = make(map[string]bool)
	}
	c.invited[summary] = true
}

// summarize says what a calendar holds: what, when, where, who and its status. It
// is "" where there is no event in it.
func summarize(text string) string {
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

// unfolded gives the content lines of a calendar (RFC 5545, section 3.1).
func unfolded(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var b strings.Builder
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				b.WriteString(line[1:])
				continue
			}
			if b.Len() > 0 && !yield(b.String()) {
				return
			}
			b.Reset()
			b.WriteString(line)
		}
		if b.Len() > 0 {
			yield(b.String())
		}
	}
}

// property is a content line. Its name and the names of its parameters are in
// upper case.
type property struct {
	name, value string
	params      map[string]string
}

// readProperty reads NAME;PARAM=VALUE;PARAM="VALUE":value.
func readProperty(line string) property {
	end := -1
	quoted := false
	for i := 0; i < len(line) && end < 0; i++ {
		switch line[i] {
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				end = i
			}
		}
	}
	if end < 0 { // a quote that is never closed is no quote
		end = strings.IndexByte(line, ':')
	}
	if end < 0 {
		return property{}
	}
	p := property{value: strings.TrimSpace(line[end+1:])}
	for i, param := range splitUnquoted(line[:end]) {
		name, value, _ := strings.Cut(param, "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		if i == 0 {
			p.name = name
			continue
		}
		if p.params == nil {
			p.params = make(map[string]string)
		}
		p.params[name] = strings.Trim(value, `"`)
	}
	return p
}

// text is the value of a property of text (RFC 5545, section 3.3.11).
func (p property) text() string {
	r := strings.NewReplacer(`\\`, `\`, `\;`, ";", `\,`, ",", `\n`, "\n", `\N`, "\n")
	return r.Replace(p.value)
}

// person is a calendar user: "Bob <bob@example.com>".
func (p property) person() string {
	addr := p.value
	if hasPrefixFold(addr, "mailto:") {
		addr = addr[len("mailto:"):]
	}
	name := oneLine(p.params["CN"])
	switch {
	case name == "" || strings.EqualFold(name, addr):
		return oneLine(addr)
	case !strings.Contains(addr, "@"):
		return name
	}
	return name + " <" + oneLine(addr) + ">"
}

// moment is a date, with its time of day unless it is one of a whole day.
type moment struct {
	time.Time
	day  bool
	zone string // as the calendar says it; "" is the reader's own
	raw  string // where it cannot be read
}

// readMoment reads a date or a time (RFC 5545, sections 3.3.4 and 3.3.5).
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

func (m moment) known() bool { return !m.Time.IsZero() }

// String writes a moment for people, without its zone.
func (m moment) String() string {
	switch {
	case !m.known():
		return m.raw
	case m.day:
		return m.Format("Monday, 2 January 2006")
	}
	return m.Format("Monday, 2 January 2006, 15:04")
}
