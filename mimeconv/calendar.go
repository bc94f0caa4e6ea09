package mimeconv

import (
	"cmp"
	"crypto/sha256"

	"heyrelay/mimeconv/ical"
)

// isCalendar reports whether a part is iCalendar data (RFC 5545).
func isCalendar(kind string) bool { return kind == "text/calendar" || kind == "application/ics" }

// calendarPart converts a calendar to a summary. Where it is asked for, the calendar is also a file,
// so that the recipient can import it.
func (c *converter) calendarPart(p *part) (content, error) {
	summary := c.summarize(p)
	if summary.Text == "" {
		return content{files: []file{{part: p}}}, nil
	}
	return c.calendar(p, summary, summary.Text)
}

// calendarAlternative adds a calendar to the other alternatives, which are the body, if they lack
// its date or place.
func (c *converter) calendarAlternative(p *part, body content) (content, error) {
	c.compared++
	if c.compared > maxCalendars {
		return content{}, nil
	}
	summary := c.summarize(p)
	text, err := c.joinText(body.sections)
	switch {
	case err != nil || summary.Text == "":
		return content{}, err
	case !summary.IsMissingFrom(text):
		c.addInvited(summary)
		return content{files: c.calendarFile(p)}, nil
	}
	return c.calendar(p, summary, summary.Beside(text))
}

// summarize reads a calendar.
func (c *converter) summarize(p *part) ical.Summary {
	declared := cmp.Or(p.params["charset"], "utf-8") // RFC 5545, section 3.1.4
	text, _ := cleanText(c.toUTF8(p.id, c.decode(p), declared, false))
	return ical.Summarize(text)
}

// calendar shows a summary as text. Many programs send an invitation twice, as an alternative and
// as a file.
func (c *converter) calendar(p *part, summary ical.Summary, text string) (content, error) {
	c.size += len(text)
	if c.size > c.maxBody {
		return content{}, c.errTooLarge()
	}
	all := content{files: c.calendarFile(p)}
	if len(all.files) == 0 {
		c.warn(CalendarSummarized, p.id, "calendar %s shown as text", quote(p.name))
	}
	if !c.invited[summary.Brief] {
		all.sections = append(all.sections, section{text: text})
	}
	c.addInvited(summary)
	return all, nil
}

// calendarFile returns a calendar as a file if it is to be linked, once: invitations often contain it
// as an alternative and as a file.
func (c *converter) calendarFile(p *part) []file {
	if c.options.Attachments != Link || !c.options.LinkCalendars {
		return nil
	}
	this := newStream(p.raw, p.encoding).digest()
	if c.calendars[this] {
		return nil
	}
	if c.calendars == nil {
		c.calendars = make(map[[sha256.Size]byte]bool)
	}
	c.calendars[this] = true
	named := *p
	named.name = cmp.Or(p.name, "invite.ics")
	return []file{{part: &named}}
}

// addInvited notes that a calendar need not be shown again.
func (c *converter) addInvited(summary ical.Summary) {
	if c.invited == nil {
		c.invited = make(map[string]bool)
	}
	c.invited[summary.Brief] = true
}
