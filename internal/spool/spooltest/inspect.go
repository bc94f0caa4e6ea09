package spooltest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
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
	{"Bodies", func(f *fixture) { // of any size and kind come back as they were, wherever they are read
		for _, body := range bodies() {
			m := f.write(letter{body: body})
			m.HTML = "<p>" + body
			m.SubjectOffset = 3
			m.Text = body
			m.Raw = []byte("Subject: Hi\r\n\r\n" + body)
			f.accept(m)
			task := f.claimOne()
			if task.HTML != m.HTML || task.Text != m.Text || task.SubjectOffset != 3 {
				f.Errorf("claimed are %d and %d octets of %d", len(task.HTML), len(task.Text), len(body))
			}
			f.sends(m.QueueID, 0, task)
			want := spool.Content{HTML: m.HTML, Text: m.Text, Raw: m.Raw}
			if got, err := f.Content(f.Context(), m.QueueID); err != nil || !reflect.DeepEqual(got, want) {
				f.Errorf("the content has %d, %d and %d octets of %d, %v",
					len(got.HTML), len(got.Text), len(got.Raw), len(body), err)
			}
			_, letters, err := f.Conversation(f.Context(), f.conversation(m.QueueID), 0, 1)
			if err != nil || len(letters) != 1 || !bytes.HasPrefix(m.Raw, letters[0].Head) ||
				len(letters[0].Head) != min(len(m.Raw), spool.LetterHead) || !strings.HasPrefix(body, letters[0].Excerpt) ||
				letters[0].Excerpt == "" {
				f.Errorf("the letters of %d octets are %+v, %v", len(body), letters, err)
			}
			f.done(spool.Outcome{Task: task, State: spool.Failed, Report: spool.FailedAction})
			report := f.notice(spool.Mail)
			if !bytes.Equal(report.Report.Raw, m.Raw) {
				f.Errorf("the report has %d octets of %d", len(report.Report.Raw), len(m.Raw))
			}
			f.must(f.Done(f.Context(), report.ID))
		}
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

// bodies are short and long ones, that can be packed and not.
func bodies() []string {
	random := rand.New(rand.NewPCG(1, 2))
	var all []string
	for _, size := range []int{1, 30, 300, 4 << 10, 30 << 10, 200 << 10} {
		var words strings.Builder
		noise := make([]byte, size)
		for i := range noise {
			noise[i] = byte(0x20 + random.IntN(0x5f))
		}
		for words.Len() < size {
			fmt.Fprintf(&words, "Grüße %d\r\n", random.IntN(100))
		}
		all = append(all, words.String(), string(noise))
	}
	return all
}

// pending wants these notices to be pending.
func (f *fixture) pending(filter spool.Filter, want ...spool.PendingNotice) {
	f.Helper()
	got, err := f.PendingNotices(f.Context(), filter)
	if err != nil || !slices.Equal(got, want) {
		f.Errorf("%+v: pending are\n%+v, %v, want\n%+v", filter, got, err, want)
	}
}
