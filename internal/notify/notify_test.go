package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nobody is a smarthost that cannot be reached; it says when that was tried.
func nobody(at *[]time.Time) *notify.Mailer {
	m := mailer("mail.example.com:25")
	m.Server.Dial = func(context.Context, string, string) (net.Conn, error) {
		*at = append(*at, time.Now())
		return nil, errors.New("connection refused")
	}
	return m
}

func report(id int64) spool.Notice {
	a := failed("")
	return spool.Notice{ID: id, Way: spool.Mail, Happened: time.Now(), Report: &a}
}

// Reports wait for a minute, then twice as long each time up to an hour, and are
// given up after five days.
func TestReportsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		store, h := newNotices(report(1)), &recorder{}
		run(t, notify.Options{
			Setup: always(notify.Setup{Mailer: nobody(&at)}),
			Store: store,
			Sink:  h,
		}, 10*24*time.Hour)
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
		for i, minutes := range want {
			if pause := at[i+1].Sub(at[i]); pause != minutes*time.Minute {
				t.Errorf("pause %d is %v, want %d minutes", i, pause, minutes)
			}
		}
		const expire = 5 * 24 * time.Hour
		if last := at[len(at)-1].Sub(at[0]); last < expire || last > expire+time.Hour || len(store.list) != 0 {
			t.Errorf("the last attempt after %v, %d left", last, len(store.list))
		}
		end := h.all()[len(h.all())-1]
		abandoned := strings.Contains(end.Reason, "abandoned: connection refused")
		if end.Kind != events.Error || end.QueueID != "Q7" || !abandoned {
			t.Errorf("%+v", end)
		}
	})
}

// A panic over one notice is a failed attempt of it, and ends nothing else.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, h := newNotices(report(1), report(2)), &recorder{}
		m := mailer("mail.example.com:25")
		m.Server.Dial = func(context.Context, string, string) (net.Conn, error) { panic("inner") }
		run(t, notify.Options{
			Setup: always(notify.Setup{Mailer: m}),
			Store: store,
			Sink:  h,
		}, 30*time.Second)
		deferred := len(store.list) == 2 && store.list[0].Tries == 1 && store.list[1].Tries == 1
		if !deferred || !strings.Contains(h.all()[0].Reason, "panic: inner") {
			t.Errorf("%d are left, %+v", len(store.list), h.all())
		}
	})
}

// A report that cannot be read is given up at once, and others are sent.
func TestUnreadableReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		damaged := report(1)
		damaged.Unreadable = errors.New("its recipients are damaged")
		store, h := newNotices(damaged, report(2)), &recorder{}
		run(t, notify.Options{
			Setup: always(notify.Setup{Mailer: nobody(&at)}),
			Store: store,
			Sink:  h,
		}, 30*time.Second)
		if len(at) != 1 || len(store.list) != 1 || store.list[0].ID != 2 {
			t.Errorf("%d attempts, %d are left", len(at), len(store.list))
		}
		abandoned := func(e events.Event) bool {
			return e.Reason == "report abandoned: its recipients are damaged" && e.QueueID != ""
		}
		if !slices.ContainsFunc(h.all(), abandoned) {
			t.Errorf("recorded %+v", h.all())
		}
	})
}

// A relay that was down for a week tries everything first, and for hours: a smarthost may be busy at
// that moment, or defer whom it does not know.
func TestOldNoticesAreTriedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		n := report(1)
		n.Happened = n.Happened.Add(-7 * 24 * time.Hour)
		store := newNotices(n)
		run(t, notify.Options{
			Setup: always(notify.Setup{Mailer: nobody(&at)}),
			Store: store,
			Sink:  &recorder{},
		}, 24*time.Hour)
		if took := at[len(at)-1].Sub(at[0]); len(at) != 10 || took < 3*time.Hour || len(store.list) != 0 {
			t.Errorf("%d attempts in %v, %d left", len(at), took, len(store.list))
		}
	})
}

func TestJitterComesEarlierByAQuarterAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		run(t, notify.Options{
			Setup:  always(notify.Setup{Mailer: nobody(&at)}),
			Store:  newNotices(report(1)),
			Sink:   &recorder{},
			Jitter: func() float64 { return 0.999 },
		}, 2*time.Minute)
		if pause := at[1].Sub(at[0]); pause < 45*time.Second || pause > 46*time.Second {
			t.Errorf("a pause of %v", pause)
		}
	})
}

// After a crash between delivery and record, a notice is delivered again after its
// lease, under the same id.
func TestCrashTellsAgainUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{200}}
		store, disk := newNotices(event(1)), newNotices(event(1)) // the disk when the process dies: claimed, not done
		_, _, _ = disk.Notices(t.Context(), time.Now(), 40*time.Second, spool.Hook, 1)
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  &recorder{},
		}, time.Second)
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: disk,
			Sink:  &recorder{},
		}, time.Minute)
		calls := e.all()
		if len(calls) != 2 || calls[1].at.Sub(calls[0].at) < 39*time.Second ||
			calls[0].header.Get("webhook-id") != calls[1].header.Get("webhook-id") {
			t.Errorf("%+v", calls)
		}
	})
}

// The same report has the same bytes, and another one another Message-ID.
func TestMessageIDsAreStable(t *testing.T) {
	n := spool.Notice{ID: 1, Happened: happened, Report: new(spool.Report)}
	*n.Report = failed("")
	write := func(n spool.Notice) string {
		l, _ := reporter.Write(n, smarthost.Offers{})
		return string(l.Text)
	}
	id := func(text string) string {
		_, rest, _ := strings.Cut(text, "\r\nMessage-Id: ")
		found, _, _ := strings.Cut(rest, "\r\n")
		return found
	}
	first := write(n)
	n.Tries = 3
	if write(n) != first {
		t.Error("another attempt sends another report")
	}
	n.ID = 2
	second := id(write(n))
	n.ID, n.Happened = 1, happened.Add(time.Second) // the same number again, once the first is done
	third := id(write(n))
	if id(first) == second || id(first) == third || !strings.HasSuffix(second, "@relay.example.com>") {
		t.Errorf("%s, %s, %s", id(first), second, third)
	}
}

// An outcome that the store does not take is recorded again; nothing is delivered twice.
func TestStoreTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{200}}
		store, h := newNotices(event(1)), &recorder{}
		store.fails = 5
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  h,
		}, 20*time.Second)
		if len(e.all()) != 1 || len(store.list) != 0 || len(h.all()) != 5 {
			t.Errorf("%d calls, %d left, %+v", len(e.all()), len(store.list), h.all())
		}
	})
}

// A store that cannot be asked is asked again, a second later each time.
func TestStoreThatCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, e := time.Now(), &endpoint{answers: []int{200}}
		store, h := newNotices(event(1)), &recorder{}
		store.blind = 3
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  h,
		}, 20*time.Second)
		if calls := e.all(); len(calls) != 1 || calls[0].at.Sub(began) != 3*time.Second || len(h.all()) != 3 {
			t.Errorf("%+v, %+v", calls, h.all())
		}
	})
}

// Run waits for the attempts under way; what does not end within the grace is cut, and
// due again at once.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &endpoint{answers: []int{0}}
		store, began := newNotices(event(1)), time.Now()
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  &recorder{},
		}, 5*time.Second)
		left := store.list[0]
		if took := time.Since(began); took != 15*time.Second || left.due.After(time.Now()) || left.Tries != 1 {
			t.Errorf("took %v, %+v", took, store.list)
		}
	})
}

// A Notifier sleeps until an event says that there may be something.
func TestEventsKick(t *testing.T) {
	for _, c := range []struct {
		event events.Event
		kicks bool
	}{
		{events.Event{Kind: events.Failed}, true},
		{events.Event{Kind: events.Held}, true},
		{events.Event{Kind: events.Backlog}, true},
		{events.Event{Kind: events.Sent, Report: true}, true},
		{events.Event{Kind: events.Deferred, Report: true}, true},
		{events.Event{Kind: events.Sent}, false},
		{events.Event{Kind: events.Error}, false},
		{events.Event{Kind: events.Reported}, false},
		{events.Event{Kind: events.Accepted}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, store := &endpoint{answers: []int{200}}, newNotices()
			n := notify.New(notify.Options{
				Setup:  always(notify.Setup{Webhook: hookTo(e)}),
				Store:  store,
				Sink:   &recorder{},
				Now:    time.Now,
				Jitter: func() float64 { return 0 },
			})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); n.Run(ctx) }()
			synctest.Wait()
			store.mu.Lock()
			store.list = append(store.list, stored{event(1), time.Now()})
			store.mu.Unlock()
			n.Record(c.event)
			synctest.Wait()
			if delivered := len(e.all()) == 1; delivered != c.kicks {
				t.Errorf("%s: delivered is %v", c.event.Kind, delivered)
			}
			<-time.After(time.Minute)
			synctest.Wait()
			if len(e.all()) != 1 {
				t.Errorf("%s: not delivered within a minute", c.event.Kind)
			}
			stop()
			<-done
		})
	}
}

// A way that is not configured leaves its notices alone.
func TestNoWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, store := &endpoint{answers: []int{200}}, newNotices(report(1), event(2))
		run(t, notify.Options{
			Setup: always(notify.Setup{Webhook: hookTo(e)}),
			Store: store,
			Sink:  &recorder{},
		}, time.Hour)
		if len(store.list) != 1 || store.list[0].ID != 1 || store.list[0].Tries != 0 {
			t.Errorf("%+v", store.list)
		}
	})
}

func TestWatch(t *testing.T) {
	now := time.Unix(1e9, 0)
	w := notify.Thresholds{Backlog: 100, Oldest: time.Hour}
	for i, c := range []struct {
		waiting int
		age     time.Duration
		want    string
	}{
		{100, time.Hour, ""},
		{101, time.Minute, "backlog"},
		{5000, time.Minute, ""},
		{80, 2 * time.Hour, "oldest"},
		{101, 3 * time.Hour, ""}, // it never was down to half
		{50, 31 * time.Minute, ""},
		{101, 2 * time.Hour, "backlog"},
		{0, 0, ""},
		{200, 2 * time.Hour, "backlog oldest"},
	} {
		var got []string
		for _, e := range w.Check(now, c.waiting, now.Add(-c.age)) {
			got = append(got, string(e.Kind))
			if e.Pending != c.waiting || !e.Since.Equal(now.Add(-c.age)) || e.Reason == "" {
				t.Errorf("%d: %+v", i, e)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d: %v, want %q", i, got, c.want)
		}
	}
	off := notify.Thresholds{}
	if got := off.Check(now, 1e6, now.Add(-1000*time.Hour)); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func ExampleReporter_Write() {
	r := notify.Reporter{Hostname: "relay.example.com", From: "mailer-daemon@relay.example.com"}
	letter, ok := r.Write(spool.Notice{ID: 1, Happened: time.Unix(0, 0), Report: &spool.Report{
		Action:     spool.FailedAction,
		Sender:     "app@shop.example",
		Recipients: []spool.ReportRecipient{{Address: "ann@example.com"}},
		Reason:     "the API answered 400: no such contact",
		Status:     400,
	}}, smarthost.Offers{})
	_, status, _ := strings.Cut(string(letter.Text), "\r\n\r\nFinal-Recipient")
	status, _, _ = strings.Cut("Final-Recipient"+status, "\r\n\r\n")
	fmt.Fprintln(os.Stdout, letter.To.Path, ok)
	fmt.Fprintln(os.Stdout, strings.ReplaceAll(status, "\r\n", "\n"))
	// Output:
	// app@shop.example true
	// Final-Recipient: rfc822; ann@example.com
	// Action: failed
	// Status: 5.0.0
	// Diagnostic-Code: x-heymarket; 400 the API answered 400: no such contact
}
