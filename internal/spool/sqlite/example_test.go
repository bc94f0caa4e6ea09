package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// A message is accepted, claimed, sent, and shown.
func Example() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, now := context.Background(), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s, err := sqlite.Open(ctx, filepath.Join(dir, "spool.db"), sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	receipt, err := s.Accept(ctx, &spool.Message{
		QueueID:  "4Q7X",
		Accepted: now,
		Route:    "support",
		Team:     "shop",
		Inbox:    202,
		Title:    "Hello",
		HTML:     "<p>Hi</p>",
		Text:     "Hi",
		Requests: []spool.Request{{
			LocalID:      "0193-77",
			To:           []string{"alice@example.com"},
			Participants: "alice@example.com",
			Priority:     spool.Normal,
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	tasks, _, err := s.Claim(ctx, now, time.Minute, spool.Capacity{Team: "shop", Rate: 500, Free: 32})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range tasks {
		o := spool.Outcome{Task: t, State: spool.Sent, ConvoID: 9001, Status: 200}
		if _, err := s.Finish(ctx, now, o); err != nil {
			log.Fatal(err)
		}
	}
	detail, err := s.Show(ctx, receipt.QueueID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(detail.QueueID, detail.Requests[0].State, detail.Requests[0].ConvoID)
	// Output: 4Q7X sent 9001
}
