package mimeconv

import (
	"cmp"

	"heyrelay/mimeconv/ical"
)

// isCalendar reports whether a part is iCalendar data (RFC 5545).
func isCalendar(kind string) bool { return kind == "text/calendar" || kind == "application/ics" }

// calendarPart converts a calendar to a summary. If attachments are linked, the calendar is
// also a file, so that the recipient can import it.
func (c *converter) calendarPart(p *part) (content, error) {
	declared := cmp.Or(p.params["charset"], "utf-8") // RFC 5545, section 3.1.4
	text, _ := cleanText(c.toUTF8(p.id, c.decode(p), declared, false))
	summary := ical.Summarize(text)
	if summary == "" {
		return content{files: []file{{part: p}}}, nil
	}
	c.size += len(summary)
	if c.size > c.maxBody {
		return content{}, c.errTooLarge()
	}
	var all content
	if c.options.Attachments == Link {
		all.files = append(all.files, file{part: p})
	} else {
		c.warn(CalendarSummarized, p.id, "calendar %s shown as text", quote(p.name))
	}
	if !c.invited[summary] {
		all.sections = append(all.sections, section{text: summary})
	}
	c.invite(summary)
	return all, nil
}

// invite records that the message shows this summary. Many programs send an invitation
// twice, as an alternative and as a file.
func (c *converter) invite(summary string) {
	if c.invited == nil {
		c.invited = make(map[string]bool)
	}
	c.invited[summary] = true
}
