package notify_test

import (
	"strings"
	"testing"

	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

// failed is a report about a message with a header of its own.
func failed(header string) spool.Report {
	return spool.Report{
		Action:     spool.FailedAction,
		QueueID:    "Q7",
		LocalID:    "L7",
		Accepted:   happened,
		Tried:      happened,
		Sender:     "app@shop.example",
		Title:      "Invoice 7",
		Raw:        []byte(header + "From: app@shop.example\r\nMessage-ID: <7@shop.example>\r\n\r\nBody\r\n"),
		Recipients: []spool.ReportRecipient{{Address: "ann@example.com"}},
		Reason:     "the API answered 400: no",
		Status:     400,
		APIID:      "req-1",
	}
}

func written(a spool.Report) bool {
	_, ok := reporter.Write(spool.Notice{Happened: happened, Report: &a}, smarthost.Offers{})
	return ok
}

func TestNeverToTheNullReversePath(t *testing.T) {
	for _, sender := range []string{
		"", "<>", "root", "@shop.example", "app@", "app@shop.example\r\nRCPT TO:<victim@example.com>",
	} {
		a := failed("")
		a.Sender = sender
		if written(a) {
			t.Errorf("a report to %q", sender)
		}
	}
	if !written(failed("")) {
		t.Error("none to app@shop.example")
	}
}

// Each kind of report is sent to whom it is wanted by, and to nobody else.
func TestNotify(t *testing.T) {
	for _, c := range []struct {
		notify []string
		gets   string
	}{
		{nil, "failed"}, // RFC 3461, section 5.2.1
		{[]string{"NEVER"}, ""},
		{[]string{"FAILURE"}, "failed"},
		{[]string{"DELAY"}, "delayed"},
		{[]string{"SUCCESS"}, "relayed"},
		{[]string{"SUCCESS", "FAILURE", "DELAY"}, "failed delayed relayed"},
	} {
		for _, action := range []spool.Action{spool.FailedAction, spool.DelayedAction, spool.RelayedAction} {
			a := failed("")
			a.Action, a.Recipients[0].Notify = action, c.notify
			if want := strings.Contains(c.gets, string(action)); written(a) != want {
				t.Errorf("NOTIFY=%v: a report as %s is %v, want %v", c.notify, action, !want, want)
			}
		}
	}
}

func TestNoReportAnswersAnAnswer(t *testing.T) {
	for header, want := range map[string]bool{
		"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n": false,
		"content-type:\r\n\tMULTIPART/REPORT;\r\n boundary=x\r\n":                     false,
		"Return-Path: <>\r\n":                                          false,
		"Return-Path: < >\r\n":                                         false,
		"Auto-Submitted: auto-replied\r\n":                             false,
		"Auto-Submitted: Auto-Replied; owner-email=a@b.example\r\n":    false,
		"X-Loop: mailer-daemon@relay.example.com\r\n":                  false,
		"Return-Path: <app@shop.example>\r\n":                          true,
		"Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\n":       true,
		"Auto-Submitted: no\r\n":                                       true,
		"X-Loop: somebody@else.example\r\n":                            true,
		"Content-Type: multipart/mixed; boundary=multipart/report\r\n": true,
		"Subject: Content-Type: multipart/report\r\n":                  true,
	} {
		if got := written(failed(header)); got != want {
			t.Errorf("%q: a report is %v, want %v", header, got, want)
		}
	}
}

// What we write is what we do not answer.
func TestNoReportAboutAReport(t *testing.T) {
	a := failed("")
	l, _ := reporter.Write(spool.Notice{Happened: happened, Report: &a}, smarthost.Offers{})
	about := failed("")
	for _, field := range []string{
		"Auto-Submitted: auto-replied\r\n",
		"X-Loop: mailer-daemon@relay.example.com\r\n",
		"Content-Type: multipart/report;",
	} {
		if !strings.Contains(string(l.Text), "\r\n"+field) {
			t.Errorf("no %q in\n%s", field, l.Text)
		}
		for other := range strings.SplitSeq("Auto-Submitted X-Loop Content-Type", " ") { // each alone is enough
			if !strings.HasPrefix(field, other) {
				about.Raw = []byte(strings.ReplaceAll(string(l.Text), "\r\n"+other+":", "\r\nX-Other:"))
			}
		}
		if written(about) {
			t.Errorf("a report about a report:\n%s", about.Raw)
		}
	}
}

// A message comes back whole or not at all: never cut, and no larger than the
// server takes.
func TestWhatComesBackIsBounded(t *testing.T) {
	for _, c := range []struct {
		body, size int
		asked      string
		whole      bool
	}{
		{60 << 10, 0, "", true},
		{70 << 10, 0, "", false},
		{70 << 10, 0, "FULL", true},
		{5 << 20, 0, "FULL", false},
		{70 << 10, 50_000, "FULL", false},
		{10, 0, "HDRS", false},
	} {
		a := failed("")
		a.Return = c.asked
		a.Raw = append(a.Raw, strings.Repeat("0123456789\r\n", c.body/12)...)
		l, ok := reporter.Write(spool.Notice{Happened: happened, Report: &a}, smarthost.Offers{Size: int64(c.size)})
		is := strings.Contains(string(l.Text), "message/rfc822")
		whole := strings.Contains(string(l.Text), string(a.Raw))
		if !ok || is != c.whole || whole != c.whole {
			t.Errorf("%+v: a message is returned: %v, whole: %v", c, is, whole)
		}
		if !strings.Contains(string(l.Text), "<7@shop.example>\r\n") || c.size > 0 && len(l.Text) > c.size {
			t.Errorf("%+v: %d bytes", c, len(l.Text))
		}
	}
}

// A header is bounded too, and ends between two lines.
func TestAHeaderIsBounded(t *testing.T) {
	a := failed(strings.Repeat("Keywords: 0123456789\r\n", 100<<10/22))
	a.Return = "HDRS"
	l, ok := reporter.Write(spool.Notice{Happened: happened, Report: &a}, smarthost.Offers{})
	_, returned, _ := strings.Cut(string(l.Text), "text/rfc822-headers")
	whole := strings.Count(returned, "Keywords") == strings.Count(returned, "6789\r\n")
	if !ok || len(returned) > 65<<10 || len(returned) < 60<<10 || !whole {
		t.Errorf("%d bytes of a header", len(returned))
	}
}

// The status of RFC 3463 says as much as the HTTP status does.
func TestStatus(t *testing.T) {
	for _, c := range []struct {
		action spool.Action
		status int
		want   string
	}{
		{spool.RelayedAction, 200, "2.0.0"},
		{spool.DelayedAction, 0, "4.4.1"},
		{spool.DelayedAction, 401, "4.3.5"},
		{spool.DelayedAction, 503, "4.3.0"},
		{spool.FailedAction, 400, "5.0.0"},
		{spool.FailedAction, 403, "5.7.1"},
		{spool.FailedAction, 413, "5.3.4"},
		{spool.FailedAction, 429, "5.4.7"},
		{spool.FailedAction, 502, "5.4.7"},
		{spool.FailedAction, 0, "5.4.7"},
	} {
		a := failed("")
		a.Action, a.Status = c.action, c.status
		a.Recipients[0].Notify = []string{"SUCCESS", "DELAY", "FAILURE"}
		a.Recipients[0].Original = "ann@example.com" // without a type
		l, _ := reporter.Write(spool.Notice{Happened: happened, Report: &a}, smarthost.Offers{})
		text := string(l.Text)
		for _, line := range []string{"Status: " + c.want, "Original-Recipient: rfc822; ann@example.com"} {
			if !strings.Contains(text, "\r\n"+line+"\r\n") {
				t.Errorf("%+v: no line %q in\n%s", c, line, text)
			}
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add("Subject: x\r\n\r\nBody\r\n", "the API answered 400", "app@shop.example", "rfc822;ann@example.com", byte(0))
	f.Add("Subject: \xff\n\n\x00\r\r\n.\r\n", "\r\n--\x00", "ü@ü.example", "utf-8;\\x{0}", byte(7))
	f.Fuzz(func(t *testing.T, raw, text, sender, original string, offered byte) {
		can := smarthost.Offers{EightBit: offered&1 > 0, UTF8: offered&2 > 0}
		a := failed("")
		a.Raw = []byte(raw)
		a.Reason = text
		a.Title = text
		a.APIID = text
		a.EnvelopeID = text
		a.Sender = sender
		a.Recipients[0] = spool.ReportRecipient{Address: original, DSN: spool.DSN{Original: original}}
		l, ok := reporter.Write(spool.Notice{Happened: happened, Report: &a}, can)
		if ok && (can.UTF8 || !l.UTF8) {
			checkBytes(t, l, can)
		}
	})
}
