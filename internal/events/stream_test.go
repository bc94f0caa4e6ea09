package events_test

import (
	"testing"

	"heyrelay/internal/events"
)

// Each subscriber gets what happens from then on, until it ends.
func TestStream(t *testing.T) {
	var s events.Stream
	s.Record(events.Event{QueueID: "Q0"})
	a, endA, _ := s.Subscribe()
	s.Record(events.Event{QueueID: "Q1"})
	b, endB, _ := s.Subscribe()
	s.Record(events.Event{QueueID: "Q2"})
	endA()
	endA()
	s.Record(events.Event{QueueID: "Q3"})
	endB()
	for name, c := range map[string]struct {
		got  <-chan events.Event
		want string
	}{"a": {a, "Q1Q2"}, "b": {b, "Q2Q3"}} {
		all := ""
		for e := range c.got {
			all += e.QueueID
		}
		if all != c.want {
			t.Errorf("%s got %s, want %s", name, all, c.want)
		}
	}
}

// A subscriber that does not keep up is cut off, and delays nobody.
func TestStreamCutsOff(t *testing.T) {
	var s events.Stream
	slow, end, _ := s.Subscribe()
	defer end()
	for range 1000 {
		s.Record(events.Event{Kind: events.Sent})
	}
	n := 0
	for range slow {
		n++
	}
	if n == 0 || n == 1000 {
		t.Errorf("a subscriber that does not keep up got %d of 1000 events", n)
	}
}

// Subscribers are bounded.
func TestStreamIsBounded(t *testing.T) {
	var s events.Stream
	var ends []func()
	for {
		_, end, ok := s.Subscribe()
		if !ok {
			break
		}
		ends = append(ends, end)
		if len(ends) > 1000 {
			t.Fatal("a thousand subscribers")
		}
	}
	ends[0]()
	if _, _, ok := s.Subscribe(); !ok {
		t.Error("no place after one has ended")
	}
}
