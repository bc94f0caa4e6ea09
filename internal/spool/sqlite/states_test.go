package sqlite

import (
	"fmt"
	"testing"

	"heyrelay/internal/spool"
)

// The numbers in SQL are those of package spool.
func TestStates(t *testing.T) {
	for number, state := range map[string]spool.State{
		queued:   spool.Queued,
		ready:    spool.Ready,
		deferred: spool.Deferred,
		active:   spool.Active,
		held:     spool.Held,
	} {
		if number != fmt.Sprint(int(state)) {
			t.Errorf("%v has number %d, SQL has %s", state, state, number)
		}
	}
	if spool.Send != 0 || spool.CheckConversation != 1 || spool.FindMessage != 2 {
		t.Errorf("the calls have numbers %d, %d and %d", spool.Send, spool.CheckConversation, spool.FindMessage)
	}
	s := openSpool(t, Options{})
	for predicate, holds := range map[string]func(spool.State) bool{
		isHead:     func(s spool.State) bool { return s.Open() && s != spool.Queued },
		isAnyHead:  func(s spool.State) bool { return s.Open() && s != spool.Queued },
		isOpen:     spool.State.Open,
		isSendable: func(s spool.State) bool { return s == spool.Ready || s == spool.Deferred },
		isTaken:    func(s spool.State) bool { return s == spool.Sent || s == spool.Flagged },
		isNotTaken: func(s spool.State) bool { return s != spool.Sent && s != spool.Flagged },
		isUnsent:   func(s spool.State) bool { return s == spool.Failed || s == spool.Dropped },
		isWhole: func(s spool.State) bool {
			return s == spool.Failed || s == spool.Dropped || s == spool.Shadowed
		},
	} {
		for state := spool.Queued; state <= spool.Shadowed; state++ {
			var got bool
			query := "SELECT " + predicate + " FROM (SELECT ? AS state)"
			if err := s.db.QueryRowContext(t.Context(), query, state).Scan(&got); err != nil {
				t.Fatal(err)
			}
			if want := holds(state); got != want {
				t.Errorf("%s of %v: %v, want %v", predicate, state, got, want)
			}
		}
	}
}
