package sqlite

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/spool"
)

// short makes the n-th message of some 300 octets, without a thread, to one recipient.
func short(n int64) *spool.Message {
	m := mail(n)
	m.MessageIDs = []string{m.QueueID + "@example.com"}
	m.Route = "orders"
	m.HTML = "<p>Your order has been shipped.</p>"
	m.Text = "Your order has been shipped.\n"
	m.Raw = []byte("Received: from app.example.com ([192.0.2.7])\r\n" +
		"\tby relay.example.com (heyrelay) with ESMTP id " + m.QueueID + "\r\n" +
		"\tfor <alice@example.com>; Sun, 01 Nov 2026 12:00:00 +0000\r\nFrom: app@example.com\r\n" +
		"To: alice@example.com\r\nSubject: Hello\r\nDate: Sun, 01 Nov 2026 12:00:00 +0000\r\n\r\n" + m.Text)
	return m
}

// shop is what the team of short may begin.
var shop = spool.Capacity{
	Team: "shop", Rate: plenty, Free: 64, High: 8, Searches: 2, Probe: time.Minute, Lasts: true,
}

// live accepts short messages in one transaction, which claims them, and finishes them in another.
func live(t *testing.T, s *Store, ns ...int64) {
	t.Helper()
	_, err := run(t.Context(), s, 0, func(w *writer) (struct{}, error) {
		for _, n := range ns {
			if _, err := w.accept(prepare(short(n), nil)); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tasks, more := s.Handed()
	if len(tasks) != len(ns) || more {
		t.Fatalf("%d handed, more: %v, want %d", len(tasks), more, len(ns))
	}
	outcomes := make([]spool.Outcome, len(tasks))
	for i, task := range tasks {
		outcomes[i] = spool.Outcome{
			Task: task, State: spool.Sent, ConvoID: 5000 + task.Request, MessageID: 7000 + task.Request, Status: 200,
			APIID: "0f3c9a52-7d0e-4f6a-9d3b-3f1f0a1b2c3d",
		}
	}
	turned, err := s.Turn(t.Context(), epoch, outcomes, time.Minute, shop)
	if err != nil || len(turned.Tasks) > 0 {
		t.Fatalf("the turn claimed %d (%v), want none", len(turned.Tasks), err)
	}
}

// logged returns how many octets the log has.
func logged(t *testing.T, s *Store) int64 {
	t.Helper()
	info, err := os.Stat(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// What one message costs the writer from its acceptance to its outcome.
const (
	mostStatements   = 12 // alone, without BEGIN and COMMIT
	mostInABatch     = 8  // of each of many
	mostTransactions = 2
	mostOctets       = 97_000 // written to the log, alone
)

// TestCost counts what the writer does for one message alone, and for each of many.
func TestCost(t *testing.T) {
	s := openSpool(t, Options{Now: func() time.Time { return epoch }})
	if _, _, err := s.Claim(t.Context(), epoch, time.Minute, shop); err != nil {
		t.Fatal(err)
	}
	live(t, s, 1)
	ran := map[string]int{}
	s.writer.ran = func(query string) { ran[query]++ }
	live(t, s, 2)
	if n := counted(t, ran); n > mostStatements {
		t.Errorf("%d statements for one message alone, want at most %d", n, mostStatements)
	}
	if n := ran["COMMIT"]; n > mostTransactions {
		t.Errorf("%d transactions for one message alone, want at most %d", n, mostTransactions)
	}
	clear(ran)
	const many = 50
	var ns []int64
	for n := range int64(many) {
		ns = append(ns, 100+n)
	}
	live(t, s, ns...)
	if n := counted(t, ran); n > many*mostInABatch {
		t.Errorf("%d statements for %d messages, want at most %d each", n, many, mostInABatch)
	}
	s.writer.ran = nil
	const more = 30
	before := logged(t, s)
	for n := range int64(more) {
		live(t, s, 200+n)
	}
	octets := (logged(t, s) - before) / more
	t.Logf("%d octets", octets)
	if octets > mostOctets {
		t.Errorf("%d octets written for one message alone, want at most %d", octets, mostOctets)
	}
}

// counted returns how many statements ran, apart from those that begin and end transactions.
func counted(t *testing.T, ran map[string]int) (total int) {
	t.Helper()
	for _, query := range slices.Sorted(maps.Keys(ran)) {
		if query == "BEGIN IMMEDIATE" || query == "COMMIT" {
			continue
		}
		total += ran[query]
		t.Logf("%3d %.100s", ran[query], strings.Join(strings.Fields(query), " "))
	}
	t.Logf("%d statements, %d transactions", total, ran["COMMIT"])
	return total
}
