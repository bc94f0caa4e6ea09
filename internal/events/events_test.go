package events_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/events"
)

func TestLogOmitsTheTitle(t *testing.T) {
	var b bytes.Buffer
	events.Log{Logger: slog.New(slog.NewTextHandler(&b, nil))}.Record(events.Event{
		Kind:     events.Deferred,
		QueueID:  "Q1",
		Title:    "salaries",
		To:       []string{"to:ann@example.com"},
		Attempt:  2,
		Status:   500,
		Size:     9,
		Duration: 1500 * time.Millisecond,
		Reason:   "the API returned 500",
		Due:      time.Unix(100, 0).UTC(),
		Err:      errors.New("inner"),
	})
	line := b.String()
	for _, want := range []string{
		"level=WARN",
		"msg=deferred",
		"queue_id=Q1",
		"to=to:ann@example.com",
		"attempt=2",
		"status=500",
		"size_bytes=9",
		"duration_ms=1500",
		"due=1970",
		"error=inner",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	if strings.Contains(line, "salaries") {
		t.Errorf("a title in the log: %s", line)
	}
}

// TestLogSaysAnErrorOnce: the reason of a refusal is often the error itself, with a queue id.
func TestLogSaysAnErrorOnce(t *testing.T) {
	var b bytes.Buffer
	events.Log{Logger: slog.New(slog.NewTextHandler(&b, nil))}.Record(events.Event{
		Kind:   events.Refused,
		Reason: "mail loop (Q1)",
		Err:    errors.New("mail loop"),
	})
	if n := strings.Count(b.String(), "mail loop"); n != 1 {
		t.Errorf("%d times: %s", n, b.String())
	}
}

func ExampleSinks() {
	plain := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	all := events.Sinks{events.Log{Logger: slog.New(plain)}}
	all.Record(events.Event{Kind: events.Sent, QueueID: "Q1", Convo: 7})
	// Output: level=INFO msg=sent queue_id=Q1 convo_id=7
}

// A hold is an error, unless an operator wanted it.
func TestLogLevelOfHolds(t *testing.T) {
	for operator, want := range map[bool]string{false: "level=ERROR", true: "level=WARN"} {
		var b bytes.Buffer
		log := events.Log{Logger: slog.New(slog.NewTextHandler(&b, nil))}
		log.Record(events.Event{Kind: events.Held, Operator: operator})
		if !strings.Contains(b.String(), want) {
			t.Errorf("operator %v: no %s in %s", operator, want, b.String())
		}
	}
}

// A refusal by a fault of ours is for the operator, any other for the client.
func TestLogLevelOfRefusals(t *testing.T) {
	for status, want := range map[int]string{451: "level=ERROR", 452: "level=WARN", 554: "level=WARN"} {
		var b bytes.Buffer
		log := events.Log{Logger: slog.New(slog.NewTextHandler(&b, nil))}
		log.Record(events.Event{Kind: events.Refused, Status: status})
		if !strings.Contains(b.String(), want) {
			t.Errorf("%d: no %s in %s", status, want, b.String())
		}
	}
}
