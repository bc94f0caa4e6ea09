package notify_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost/smarthosttest"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// dying is a spool whose process dies before it records a delivery.
type dying struct {
	*sqlite.Store
	dead     bool
	outcomes chan error
}

// Done implements spool.Notices.
func (d *dying) Done(ctx context.Context, id int64) error {
	if d.dead {
		d.outcomes <- nil
		return errors.New("dead")
	}
	err := d.Store.Done(ctx, id)
	d.outcomes <- err
	return err
}

// In a real spool, a message fails, its report leaves, and the process dies before
// that is written down: the next one sends the report again, with one Message-ID.
func TestReportsSurviveInTheSpool(t *testing.T) {
	path, now, s := filepath.Join(t.TempDir(), "spool.db"), time.Now(), smarthosttest.Serve(t, nil)
	for life := range 3 {
		store, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if life == 0 {
			fail(t, store, now)
		}
		at := now.Add(time.Duration(life) * time.Hour) // the lease of the life before is over
		d := &dying{Store: store, dead: life == 0, outcomes: make(chan error, 100)}
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan struct{})
		n := notify.New(notify.Options{
			Setup: always(notify.Setup{
				Mailer: mailer(s.Address),
				Grace:  time.Second,
			}),
			Store:  d,
			Sink:   &recorder{},
			Now:    func() time.Time { return at },
			Jitter: func() float64 { return 0 },
		})
		go func() { defer close(done); n.Run(ctx) }()
		if life < 2 {
			if err := <-d.outcomes; err != nil {
				t.Error(err)
			}
		}
		stop()
		<-done
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := s.Taken()
	const diagnosis = "Diagnostic-Code: x-heymarket; 400 the API answered 400: no\r\n"
	if len(all) != 2 || all[0].Text != all[1].Text || !strings.Contains(all[0].Text, diagnosis) {
		t.Errorf("%+v", all)
	}
}

// fail has a message accepted and refused by the API.
func fail(t *testing.T, store *sqlite.Store, now time.Time) {
	t.Helper()
	_, err := store.Accept(t.Context(), &spool.Message{
		QueueID:  "Q7",
		Accepted: now,
		Sender:   "app@shop.example",
		Route:    "support",
		Team:     "shop",
		Inbox:    202,
		Title:    "Invoice 7",
		HTML:     "Body",
		Text:     "Body",
		Raw:      failed("").Raw,
		Requests: []spool.Request{{
			LocalID:      "L7",
			To:           []string{"ann@example.com"},
			Participants: "ann@example.com",
			DSN:          []spool.DSN{{Notify: []string{"FAILURE"}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tasks, _, err := store.Claim(t.Context(), now, time.Minute, spool.Capacity{Team: "shop", Rate: 500, Free: 1})
	if err != nil || len(tasks) != 1 {
		t.Fatal(tasks, err)
	}
	o := spool.Outcome{
		Task:   tasks[0],
		State:  spool.Failed,
		Status: 400,
		Reason: "the API answered 400: no",
		Report: spool.FailedAction,
	}
	if _, err := store.Finish(t.Context(), now, o); err != nil {
		t.Fatal(err)
	}
}
