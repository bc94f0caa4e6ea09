package sqlite

import (
	"errors"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// TestDamagedColumns damages what one request says of its recipients. It is listed, fails alone, and neither it nor
// the report about it keeps others.
func TestDamagedColumns(t *testing.T) {
	for _, column := range []string{"recipients", "dsn"} {
		t.Run(column, func(t *testing.T) {
			s := openSpool(t, Options{})
			for i := range int64(3) {
				if _, err := s.Accept(t.Context(), mail(i)); err != nil {
					t.Fatal(err)
				}
			}
			alter(t, s.path, "UPDATE request SET "+column+` = '{"to": 1}' WHERE id = 2`)
			if list, err := s.List(t.Context(), spool.Filter{}); err != nil || len(list) != 3 {
				t.Errorf("%d are listed (%v), want 3", len(list), err)
			}

			tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: 10})
			if err != nil || len(tasks) != 3 {
				t.Fatalf("claimed %d (%v), want 3", len(tasks), err)
			}
			var outcomes []spool.Outcome
			for _, task := range tasks {
				if damaged := task.Request == 2; errors.Is(task.Unreadable, spool.ErrCorrupt) != damaged {
					t.Errorf("request %d: %v", task.Request, task.Unreadable)
				}
				o := spool.Outcome{Task: task, State: spool.Failed, Reason: "no", Report: spool.FailedAction}
				outcomes = append(outcomes, o)
			}
			if _, err := s.Finish(t.Context(), epoch, outcomes...); err != nil {
				t.Fatal(err)
			}

			due, _, err := s.Notices(t.Context(), epoch, time.Minute, spool.Mail, 10)
			if err != nil || len(due) != 3 {
				t.Fatalf("%d reports are due (%v), want 3", len(due), err)
			}
			for _, n := range due {
				if damaged := n.Report.QueueID == "Q1"; errors.Is(n.Unreadable, spool.ErrCorrupt) != damaged {
					t.Errorf("report about %s: %v", n.Report.QueueID, n.Unreadable)
				}
			}

			o, err := OpenOperator(s.path)
			if err != nil {
				t.Fatal(err)
			}
			failed := spool.Filter{States: []spool.State{spool.Failed}}
			moved, err := o.Retry(t.Context(), epoch, failed, spool.RetryOptions{})
			if err := errors.Join(err, o.Close()); err != nil || moved.Requests != 3 {
				t.Errorf("%+v are to be tried again (%v), want 3", moved, err)
			}
		})
	}
}
