package spooltest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"heyrelay/internal/spool"
)

// inspectCases are about what people see of contents, reports and events.
var inspectCases = []testCase{
	{"Content", func(f *fixture) {
		m := f.write(letter{})
		m.HTML = "<p>Hi</p>"
		m.Text = "Hi"
		m.Raw = []byte("Subject: Hi\r\n\r\nHi\r\n")
		f.accept(m)
		want := spool.Content{HTML: m.HTML, Text: m.Text, Raw: m.Raw}
		if got, err := f.Content(f.Context(), "Q1"); err != nil || !reflect.DeepEqual(got, want) {
			f.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if _, err := f.Content(f.Context(), "Q2"); !errors.Is(err, spool.ErrNotFound) {
			f.Errorf("content of no message: %v", err)
		}
	}},
	{"LargeContent", func(f *fixture) { // comes back whole, also in a report, and goes with its message
		for _, size := range []int{256<<10 - 1, 256 << 10, 256<<10 + 1, 3 << 20} {
			m := f.write(letter{body: fmt.Sprint(size)})
			m.Raw = bytes.Repeat([]byte("0123456789\r\n"), size/12+1)[:size]
			f.accept(m)
			f.done(spool.Outcome{Task: f.claimOne(), State: spool.Failed, Report: spool.FailedAction})
			report := f.notice(spool.Mail)
			if got := report.Report.Raw; !bytes.Equal(got, m.Raw) {
				f.Errorf("the report has %d octets of %d", len(got), size)
			}
			f.must(f.Done(f.Context(), report.ID))
			if got, err := f.Content(f.Context(), m.QueueID); err != nil || !bytes.Equal(got.Raw, m.Raw) {
				f.Errorf("%d octets of %d, %v", len(got.Raw), size, err)
			}
		}
		f.now = f.now.Add(keeping.Failed + day)
		f.prune()
	}},
	{"Pending", func(f *fixture) { // reports and events stay listed until they are delivered, the next one first
		f.fail(letter{})
		n := f.notice(spool.Mail)
		due := f.now.Add(time.Minute)
		f.must(f.Defer(f.Context(), n.ID, due))
		report := spool.PendingNotice{
			Notice:   "report",
			Kind:     "failed",
			QueueID:  "Q1",
			Route:    "support",
			Sender:   "app@example.com",
			Happened: f.now,
			Due:      due,
			Tries:    1,
		}
		f.now = f.now.Add(time.Second)
		f.must(f.AddEvent(f.Context(), f.now, []byte(`{"type":"held"}`)))
		event := spool.PendingNotice{Notice: "event", Kind: "held", Happened: f.now, Due: f.now}
		f.pending(spool.Filter{}, event, report)
		f.pending(spool.Filter{Limit: 1}, event)
		f.pending(spool.Filter{Route: "support"}, report)
		f.pending(spool.Filter{Route: "news"})
		f.pending(spool.Filter{Before: f.now}, report)
		f.must(f.Done(f.Context(), n.ID))
		f.pending(spool.Filter{}, event)
	}},
}

// pending wants these notices to be pending.
func (f *fixture) pending(filter spool.Filter, want ...spool.PendingNotice) {
	f.Helper()
	got, err := f.PendingNotices(f.Context(), filter)
	if err != nil || !slices.Equal(got, want) {
		f.Errorf("%+v: pending are\n%+v, %v, want\n%+v", filter, got, err, want)
	}
}
