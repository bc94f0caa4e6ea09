package ical

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Beside returns the summary to show beside text: without the descriptions if text has that of the
// first event.
func (s *Summary) Beside(text string) string {
	description := letters(s.description)
	if strings.Contains(letters(text), description[:min(len(description), maxCompared)]) {
		return s.Brief
	}
	return s.Text
}

// maxCompared is how much of a description shows that a text has it, in octets.
const maxCompared = 100

// letters returns the letters and digits of s in lower case.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// IsMissingFrom reports whether text, which comes with the calendar, lacks the date or the place of
// its first event.
func (s *Summary) IsMissingFrom(text string) bool {
	text = strings.ToLower(text)
	if s.start.known() && !hasDate(text, s.start.Time) {
		return true
	}
	return s.place != "" && !strings.Contains(squeeze(text), squeeze(strings.ToLower(s.place)))
}

// maxDateLine bounds how much of a line is searched for a date, in octets.
const maxDateLine = 1000

// hasDate reports whether a line of text, in lower case, contains the day and the year or the month
// of t. In another time zone, it may be the day before or after.
func hasDate(text string, t time.Time) bool {
	for line := range strings.SplitSeq(text, "\n") {
		line = line[:min(len(line), maxDateLine)]
		numbers := numbersOf(line)
		if len(numbers) == 0 {
			continue
		}
		for _, days := range []int{0, -1, 1} {
			day := t.AddDate(0, 0, days)
			isYear := slices.Contains(numbers, day.Format("2006"))
			isDay := slices.Contains(numbers, day.Format("2"))
			if isDay && (isYear || hasMonth(line, day)) {
				return true
			}
		}
	}
	return false
}

// hasMonth reports whether a line names the month of t in English.
func hasMonth(line string, t time.Time) bool {
	long, short := strings.ToLower(t.Format("January")), strings.ToLower(t.Format("Jan"))
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if word == long || word == short {
			return true
		}
	}
	return false
}

// numbersOf returns the numbers in a line, without leading zeros.
func numbersOf(line string) []string {
	numbers := strings.FieldsFunc(line, func(r rune) bool { return r < '0' || r > '9' })
	for i, n := range numbers {
		numbers[i] = strings.TrimLeft(n, "0")
	}
	return numbers
}

// squeeze makes all white space single spaces.
func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }
