package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"heyrelay/internal/events"
)

// Webhooks rely on these names.
func TestJSONNames(t *testing.T) {
	at := time.Date(2026, 11, 25, 4, 17, 0, 0, time.FixedZone("", 3600))
	got, err := json.Marshal(events.Event{
		Kind:     events.Failed,
		Time:     at,
		QueueID:  "Q1",
		LocalID:  "L1",
		Client:   "redmine",
		Sender:   "app@example.com",
		To:       []string{"to:ann@example.com"},
		Route:    "support",
		Team:     "shop",
		Address:  "127.0.0.1:25",
		Title:    "salaries",
		Convo:    7,
		Message:  8,
		Attempt:  2,
		Status:   400,
		APIID:    "req-1",
		Size:     9,
		Duration: 1500 * time.Millisecond,
		Due:      at,
		Pending:  10,
		Since:    at,
		Code:     "c",
		Reason:   "the API returned 400",
		Err:      errors.New("inner"),
	})
	const want = `{"type":"failed","timestamp":"2026-11-25T03:17:00Z","data":{` +
		`"queue_id":"Q1","code":"c","reason":"the API returned 400","client":"redmine",` +
		`"from":"app@example.com","to":["to:ann@example.com"],"route":"support","team":"shop",` +
		`"address":"127.0.0.1:25","local_id":"L1","convo_id":7,"message_id":8,"attempt":2,"status":400,` +
		`"request_id":"req-1","size_bytes":9,"pending":10,"since":"2026-11-25T03:17:00Z",` +
		`"duration_ms":1500,"due":"2026-11-25T03:17:00Z"}}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s (%v)\nwant %s", got, err, want)
	}
}

// TestJSONHasEverythingElse fails if a field is added to Event but not to its JSON,
// unless it is omitted on purpose.
func TestJSONHasEverythingElse(t *testing.T) {
	inEnvelope, leftOut := 2, 5 // Kind and Time; Title, Err, Steps, Enhanced and Report
	got, err := json.Marshal(events.Event{
		QueueID:  "1",
		LocalID:  "1",
		Client:   "1",
		User:     "1",
		Sender:   "1",
		To:       []string{"1"},
		Route:    "1",
		Team:     "1",
		Operator: true,
		Address:  "1",
		Title:    "1",
		Convo:    1,
		Message:  1,
		Attempt:  1,
		Status:   1,
		APIID:    "1",
		Size:     1,
		Duration: time.Millisecond,
		Due:      time.Unix(1, 0),
		Pending:  1,
		Since:    time.Unix(1, 0),
		Code:     "1",
		Reason:   "1",
		Err:      errors.New("1"),
	})
	var read struct{ Data map[string]any }
	if err != nil || json.Unmarshal(got, &read) != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if want := reflect.TypeFor[events.Event]().NumField() - inEnvelope - leftOut; len(read.Data) != want {
		t.Errorf("%d fields, want %d: %s", len(read.Data), want, got)
	}
}

func ExampleEvent_MarshalJSON() {
	e := events.Event{Kind: events.Held, Time: time.Unix(0, 0), Team: "shop", Reason: "the API: 401"}
	text, err := json.Marshal(e)
	fmt.Println(string(text), err)
	// Output: {"type":"held","timestamp":"1970-01-01T00:00:00Z","data":{"reason":"the API: 401","team":"shop"}} <nil>
}
