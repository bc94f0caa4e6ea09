package events

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"
)

// BenchmarkLog logs what a message becomes, in the form and at the level that a configuration
// chooses.
func BenchmarkLog(b *testing.B) {
	e := Event{
		Kind:    Accepted,
		Time:    time.Date(2026, 11, 5, 9, 3, 2, 0, time.UTC),
		QueueID: "068NQT5T8C0R2D3E",
		Client:  "192.0.2.1",
		Sender:  "app@example.com",
		To:      []string{"to:bob@example.com"},
		Route:   "support",
		Team:    "shop",
		Size:    4711,
	}
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelError} {
		for _, masked := range []bool{false, true} {
			b.Run(fmt.Sprintf("%v/masked=%v", level, masked), func(b *testing.B) {
				handler := slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: level})
				log := Log{Logger: slog.New(handler), Masked: masked}
				b.ReportAllocs()
				for b.Loop() {
					log.Record(e)
				}
			})
		}
	}
}
