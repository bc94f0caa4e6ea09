package sqlite

import (
	"errors"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// TestLeaseOutlivesRollback has a transaction roll back what ended an attempt: its lease still lapses.
func TestLeaseOutlivesRollback(t *testing.T) {
	s := openSpool(t, Options{})
	if _, err := s.Accept(t.Context(), mail(1)); err != nil {
		t.Fatal(err)
	}
	tasks, next, err := s.Claim(t.Context(), epoch, time.Minute, shop)
	if err != nil || len(tasks) != 1 || !next.Equal(epoch.Add(time.Minute)) {
		t.Fatalf("claimed %+v, the next claim is at %v (%v)", tasks, next, err)
	}
	failed := errors.New("failed")
	_, err = run(t.Context(), s, 0, func(w *writer) (struct{}, error) {
		_, err := w.finishAll(epoch, []spool.Outcome{{Task: tasks[0], State: spool.Sent, Status: 200}})
		return struct{}{}, errors.Join(failed, err)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	tasks, _, err = s.Claim(t.Context(), epoch.Add(time.Minute), time.Minute, shop)
	if err != nil || len(tasks) != 1 || tasks[0].Attempt != 2 || !tasks[0].Unknown {
		t.Errorf("when the lease has ended, claimed %+v (%v), want attempt 2", tasks, err)
	}
	ended := []spool.Outcome{{Task: tasks[0], State: spool.Sent, Status: 200}}
	turned, err := s.Turn(t.Context(), epoch.Add(time.Minute), ended, time.Minute)
	if err != nil || !turned.Next.IsZero() {
		t.Errorf("with nothing active, the next claim is at %v (%v), want none", turned.Next, err)
	}
	if n := len(s.writer.leases.ends); n != 0 {
		t.Errorf("%d leases are left, want none", n)
	}
}
