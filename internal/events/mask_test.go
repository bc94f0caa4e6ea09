package events_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"heyrelay/internal/events"
)

func ExampleMask() {
	fmt.Println(events.Mask("to:ann.lee@example.com,cc:jörg@bücher.example"))
	fmt.Println(events.Mask(`Invalid recipient "x y"@example.com: <root@[192.0.2.1]> at 10:00`))
	// Output:
	// to:a***@example.com,cc:j***@bücher.example
	// Invalid recipient "***@example.com: <r***@[192.0.2.1]> at 10:00
}

// Where addresses are masked, no field of a line has one.
func TestLogMasksAddresses(t *testing.T) {
	var b bytes.Buffer
	log := events.Log{Logger: slog.New(slog.NewTextHandler(&b, nil)), Masked: true}
	log.Record(events.Event{
		Kind:    events.Refused,
		QueueID: "Q1",
		Client:  "ann@example.com",
		Sender:  "ann@example.com",
		To:      []string{"to:ann@example.com"},
		Reason:  `Recipient <ann@example.com> refused, "ann@example.com"`,
		Err:     errors.New("ann@example.com is blocked"),
	})
	line := b.String()
	if strings.Contains(line, "ann@") || strings.Count(line, "a***@example.com") != 6 || !strings.Contains(line, "Q1") {
		t.Error(line)
	}
}
