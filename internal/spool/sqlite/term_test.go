package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// letterTo makes the n-th message, with a recipient and a Message-ID of its own, and one that all have.
func letterTo(n int64) *spool.Message {
	m := mail(n)
	m.MessageIDs = []string{m.QueueID + "@example.com"}
	m.Requests[0].To = []string{"all@example.com", fmt.Sprintf("to-%d@example.com", n)}
	return m
}

// wantFoundByAll looks for messages by each of what they can be found by.
func wantFoundByAll(t *testing.T, s *Store, ns ...int64) {
	t.Helper()
	var all []string
	for _, n := range ns {
		m := letterTo(n)
		all = append(all, m.QueueID)
		for _, f := range []spool.Filter{
			{Recipient: m.Requests[0].To[1]}, {MessageID: m.MessageIDs[0]}, {LocalID: m.Requests[0].LocalID},
		} {
			wantFound(t, s, f, m.QueueID)
		}
	}
	slices.Reverse(all)
	wantFound(t, s, spool.Filter{Recipient: "ALL@example.com", Limit: 1000}, all...)
	wantFound(t, s, spool.Filter{Recipient: "nobody@example.com"})
}

func wantFound(t *testing.T, s *Store, f spool.Filter, want ...string) {
	t.Helper()
	entries, err := s.List(t.Context(), f)
	var got []string
	for _, e := range entries {
		got = append(got, e.QueueID)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v finds %v (%v), want %v", f, got, err, want)
	}
}

func acceptAll(t *testing.T, s *Store, ns ...int64) {
	t.Helper()
	for _, n := range ns {
		if _, err := s.Accept(t.Context(), letterTo(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTermsComeLater looks for messages with and without terms, after each that is accepted and after a restart.
func TestTermsComeLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := openFile(t, path, Options{termsAt: 3})
	var all []int64
	for n := range int64(8) {
		acceptAll(t, s, n)
		all = append(all, n)
		wantFoundByAll(t, s, all...)
		wantCount(t, s, "(SELECT DISTINCT message FROM term)", len(all)/3*3)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, path, Options{termsAt: 3})
	wantFoundByAll(t, s, all...)
	acceptAll(t, s, 8)
	wantFoundByAll(t, s, append(all, 8)...)
	wantCount(t, s, "(SELECT DISTINCT message FROM term)", 9)
}

// TestNumbersComeAgain deletes all messages, whose terms are recorded: later ones get their numbers, and terms.
func TestNumbersComeAgain(t *testing.T) {
	s := openSpool(t, Options{termsAt: 2})
	acceptAll(t, s, 1, 2, 3, 4)
	finishAll(t, s, 4)
	if _, err := s.Prune(t.Context(), epoch.AddDate(1, 0, 0), keepNothing, 100); err != nil {
		t.Fatal(err)
	}
	wantCount(t, s, "message", 0)
	acceptAll(t, s, 11, 12, 13)
	wantFoundByAll(t, s, 11, 12, 13)
}

// TestRenamedBeforeItsTerms gives a request a new local_id before its terms are recorded: it is found by both.
func TestRenamedBeforeItsTerms(t *testing.T) {
	s := openSpool(t, Options{termsAt: 2})
	acceptAll(t, s, 1)
	first := letterTo(1).Requests[0].LocalID
	_, err := run(t.Context(), s, 0, func(w *writer) (int, error) { return 0, w.rename(sqlReopen, "another", 1) })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantFound(t, s, spool.Filter{LocalID: "another"}, "Q1")
		var n int
		err := s.Reader.db.QueryRow("SELECT count(*) FROM term WHERE key = ?", term(ofLocalID, first)).Scan(&n)
		if n != 1 || err != nil {
			t.Errorf("%d terms of its first local_id (%v), want 1", n, err)
		}
		acceptAll(t, s, 2)
	}
}

// TestTermsOfManyRecipients records the terms of messages with many requests in some transactions.
func TestTermsOfManyRecipients(t *testing.T) {
	s := openSpool(t, Options{termsAt: 2})
	const many = termRows/2 + 1
	for n := range int64(3) {
		m := letterTo(n)
		one := m.Requests[0]
		for i := range many {
			one.LocalID = fmt.Sprintf("%d-%d", n, i)
			one.Participants = fmt.Sprintf("p%d", i)
			one.Own, one.Lookup = nil, nil
			m.Requests = append(m.Requests, one)
		}
		if _, err := s.Accept(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	wantCount(t, s, "(SELECT DISTINCT message FROM term)", 2) // one with each of two transactions
	acceptAll(t, s, 3)
	wantCount(t, s, "(SELECT DISTINCT message FROM term)", 4)
	wantFound(t, s, spool.Filter{LocalID: fmt.Sprintf("2-%d", many-1)}, "Q2")
}

// finishAll has n requests sent.
func finishAll(t *testing.T, s *Store, n int) {
	t.Helper()
	tasks, _, err := s.Claim(t.Context(), epoch, time.Minute, spool.Capacity{Team: "shop", Rate: plenty, Free: n})
	if err != nil || len(tasks) != n {
		t.Fatalf("claimed %d (%v), want %d", len(tasks), err, n)
	}
	for _, task := range tasks {
		if _, err := s.Finish(t.Context(), epoch, spool.Outcome{Task: task, State: spool.Sent}); err != nil {
			t.Fatal(err)
		}
	}
}
