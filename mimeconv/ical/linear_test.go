package ical

import (
	"fmt"
	"strings"
	"testing"

	"heyrelay/mimeconv/internal/fuzztest"
)

// Calendars of one line again and again, within an event and without.
func TestSummarizeIsLinear(t *testing.T) {
	for _, unit := range []string{
		"a", " ", ":", ";", "\"", "\\", "\\n", "\n", "\n ", "\r\n", "=", ",", "BEGIN:VEVENT\n", "END:VEVENT\n",
		"BEGIN:VALARM\n",
		"BEGIN:VCALENDAR\n", "BEGIN:VTIMEZONE\n", "SUMMARY:a\n", "SUMMARY:a\n b\n", "DTSTART:20240101T000000Z\n",
		"DTSTART;TZID=Europe/Berlin:20240101T000000\n", "ATTENDEE;CN=a:mailto:a@b.example\n",
		"RRULE:FREQ=DAILY\n", "EXDATE:20240101\n",
		"BEGIN:VEVENT\nSUMMARY:a\nDTSTART:20240101\nEND:VEVENT\n", "DESCRIPTION:a\\n\n", "X;Y=\"z\":\n",
	} {
		const event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\n"
		for _, start := range []string{"", event, event + "DESCRIPTION:"} {
			t.Run(fmt.Sprintf("%q, %q", start, unit), func(t *testing.T) {
				input := func(n int) []byte { return []byte(start + strings.Repeat(unit, n/len(unit))) }
				fuzztest.Linear(t, 32<<10, input, func(b []byte) { Summarize(string(b)) })
			})
		}
	}
}
