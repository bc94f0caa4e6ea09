package ical_test

import (
	"fmt"

	"heyrelay/mimeconv/ical"
)

func ExampleSummarize() {
	fmt.Println(ical.Summarize("BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\n" +
		"SUMMARY:Tea\nLOCATION:Kitchen\n" +
		"DTSTART;TZID=Europe/Berlin:20261103T100000\nDURATION:PT1H\n" +
		"ORGANIZER;CN=Ann:mailto:ann@example.com\n" +
		"END:VEVENT\nEND:VCALENDAR\n").Text)
	// Output:
	// Invitation: Tea
	// When: Tuesday, 3 November 2026, 10:00 to 11:00 (Europe/Berlin)
	// Where: Kitchen
	// Organizer: Ann <ann@example.com>
}
