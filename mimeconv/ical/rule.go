package ical

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRule bounds a rule that is put into words, in octets.
const maxRule = 200

// repeats describes a recurrence rule (RFC 5545, section 3.3.10). A rule of a single occurrence
// gives "".
func repeats(value string) string {
	value = oneLine(value)
	parts := make(map[string]string)
	for part := range strings.SplitSeq(strings.ToUpper(value), ";") {
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
	switch {
	case unit == "":
		return value
	case parts["COUNT"] == "1":
		return ""
	}
	s := "every " + unit
	if n := parts["INTERVAL"]; n != "" && n != "1" {
		s = "every " + n + " " + unit + "s"
	}
	if len(value) > maxRule {
		return s + " (" + value + ")"
	}
	s += ruleDays(parts["BYDAY"], parts["BYSETPOS"]) + ruleMonthDays(parts["BYMONTHDAY"]) + ruleMonths(parts["BYMONTH"])
	for _, name := range []string{"BYYEARDAY", "BYWEEKNO", "BYHOUR", "BYMINUTE"} {
		if v := parts[name]; v != "" {
			s += " (" + name + "=" + v + ")"
		}
	}
	if n := parts["COUNT"]; n != "" {
		s += ", " + n + " times"
	}
	if until := parts["UNTIL"]; until != "" {
		s += ", until " + readMoment(property{value: until}).withZone()
	}
	return s
}

// weekdays are the days of BYDAY, Monday first.
var weekdays = []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}

// ruleDays describes BYDAY, such as "MO,WE" or "-1FR". BYSETPOS selects among all its days.
func ruleDays(list, setPos string) string {
	if list == "" {
		return ""
	}
	days := strings.Split(list, ",")
	pos, err := strconv.Atoi(setPos)
	if err == nil && len(days) > 1 {
		return " on the " + ordinal(pos) + " " + dayKind(days)
	}
	var names []string
	for _, day := range days {
		name := dayName(day)
		if err == nil {
			name = "the " + ordinal(pos) + " " + name
		}
		names = append(names, name)
	}
	return " on " + enumerate(names, "and")
}

// dayKind describes the days from which BYSETPOS selects.
func dayKind(days []string) string {
	sorted := slices.Clone(days)
	slices.Sort(sorted)
	switch strings.Join(sorted, ",") {
	case "FR,MO,SA,SU,TH,TU,WE":
		return "day"
	case "FR,MO,TH,TU,WE":
		return "working day"
	}
	var names []string
	for _, day := range days {
		names = append(names, dayName(day))
	}
	return enumerate(names, "or")
}

// dayName describes a day of BYDAY: "TU" is "Tuesday" and "1TU" is "the first Tuesday".
func dayName(day string) string {
	number := strings.TrimRight(day, "ADEFHMORSTUW")
	i := slices.Index(weekdays, day[len(number):])
	if i < 0 {
		return day
	}
	name := time.Weekday((i + 1) % 7).String()
	n, err := strconv.Atoi(number)
	if err != nil {
		return name
	}
	return "the " + ordinal(n) + " " + name
}

// ruleMonthDays describes BYMONTHDAY, such as "15" or "-1".
func ruleMonthDays(list string) string {
	if list == "" {
		return ""
	}
	var names []string
	for day := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(day)
		switch {
		case err != nil:
			names = append(names, day)
		case n < 0:
			names = append(names, "the "+ordinal(n)+" day")
		default:
			names = append(names, "the "+suffixed(n))
		}
	}
	return " on " + enumerate(names, "and")
}

// ruleMonths describes BYMONTH, such as "3,9".
func ruleMonths(list string) string {
	if list == "" {
		return ""
	}
	var names []string
	for month := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(month)
		if err == nil && 1 <= n && n <= 12 {
			month = time.Month(n).String()
		}
		names = append(names, month)
	}
	return " in " + enumerate(names, "and")
}

// ordinal returns "first", "second" and so on, and "last" for -1.
func ordinal(n int) string {
	words := []string{"first", "second", "third", "fourth", "fifth"}
	switch {
	case n == -1:
		return "last"
	case n < -1:
		return ordinal(-n) + " to last"
	case 1 <= n && n <= len(words):
		return words[n-1]
	}
	return suffixed(n)
}

// suffixed returns "1st", "2nd" and so on.
func suffixed(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// enumerate joins names: "a, b and c".
func enumerate(names []string, conjunction string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " " + conjunction + " " + names[last]
}
