package main

import (
	"strings"
	"testing"
	"time"

	"heyrelay/internal/events"
)

// TestLive: each event is one line, whatever its texts hold.
func TestLive(t *testing.T) {
	at := time.Date(2026, 11, 25, 3, 17, 0, 0, time.UTC)
	for want, e := range map[string]events.Event{
		"03:17:00  accepted    Q1                from app@example.com to:ann@example.com \"Printer on fire\"\n": {
			Kind:   events.Accepted,
			Sender: "app@example.com",
			To:     []string{"to:ann@example.com"},
			Title:  "Printer on fire",
		},
		"03:17:00  sent        Q1                conversation 20, message 10, after 1.5s\n": {
			Kind: events.Sent, Convo: 20, Message: 10, Duration: 1500 * time.Millisecond,
		},
		"03:17:00  deferred    Q1                the API returned 500: x; next attempt in 2s\n": {
			Kind: events.Deferred, Reason: "the API returned 500: x", Due: at.Add(2 * time.Second),
		},
		"03:17:00  failed      Q1                a\\nb \\x1b[31m \\u202ec \\u200bd Grüße\n": {
			Kind: events.Failed, Reason: "a\nb \x1b[31m \u202ec \u200bd Grüße",
		},
		"": {Kind: events.Stopping},
	} {
		var b strings.Builder
		e.Time = at
		e.QueueID = "Q1"
		live{out: &b}.Record(e)
		if b.String() != want {
			t.Errorf("got %q, want %q", b.String(), want)
		}
	}
}
