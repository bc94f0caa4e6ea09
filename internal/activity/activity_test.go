package activity_test

import (
	"testing"
	"time"

	"heyrelay/internal/activity"
	"heyrelay/internal/events"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func open() (*clock, *activity.Counter) {
	c := &clock{time.Date(2026, 11, 1, 12, 0, 30, 0, time.UTC)}
	return c, activity.New(c.time)
}

// Each event counts in its minute, and minutes without any are there.
func TestMinutes(t *testing.T) {
	c, counter := open()
	for kind, n := range map[events.Kind]int{
		events.Accepted: 5, events.Refused: 4, events.Sent: 3, events.Flagged: 1, events.Failed: 2, events.Deferred: 6,
		events.Held: 9, events.Detail: 9,
	} {
		for range n {
			counter.Record(events.Event{Kind: kind, Team: "shop", Duration: time.Second})
		}
	}
	for range 12 {
		counter.Call("shop")
	}
	counter.Sample(7)
	c.now = c.now.Add(2 * time.Minute)
	counter.Record(events.Event{Kind: events.Accepted})
	list := counter.Last(4)
	if len(list) != 4 || !list[1].Start.Equal(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v", list)
	}
	m := list[1]
	if m.Accepted != 5 || m.Refused != 4 || m.Sent != 3 || m.Flagged != 1 || m.Failed != 2 || m.Deferred != 6 {
		t.Errorf("%+v", m)
	}
	if m.Pending != 7 || m.Calls["shop"] != 12 {
		t.Errorf("%+v", m)
	}
	for _, i := range []int{0, 2} {
		if empty := list[i]; empty.Accepted != 0 || empty.Pending != -1 || empty.Median != 0 || len(empty.Calls) != 0 {
			t.Errorf("%d: %+v", i, empty)
		}
	}
	if list[3].Accepted != 1 || list[3].Pending != -1 {
		t.Errorf("%+v", list[3])
	}
}

// What happened a day ago is forgotten, and does not count again.
func TestDay(t *testing.T) {
	c, counter := open()
	counter.Record(events.Event{Kind: events.Accepted})
	c.now = c.now.Add((activity.Span - 1) * time.Minute)
	if list := counter.Last(2 * activity.Span); len(list) != activity.Span || list[0].Accepted != 1 {
		t.Errorf("%d minutes, the first %+v", len(list), list[0])
	}
	c.now = c.now.Add(time.Minute)
	counter.Record(events.Event{Kind: events.Accepted})
	total := 0
	for _, m := range counter.Last(activity.Span) {
		total += m.Accepted
	}
	if total != 1 {
		t.Errorf("%d accepted within the last day, want 1", total)
	}
}

// Median and 95th percentile are right to a tenth, from a millisecond to days.
func TestDurations(t *testing.T) {
	for _, unit := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
		_, counter := open()
		for i := range 100 {
			counter.Record(events.Event{Kind: events.Sent, Duration: time.Duration(i+1) * unit})
		}
		m := counter.Last(1)[0]
		near := func(got, want time.Duration) bool { return (got - want).Abs() <= want/10+time.Millisecond }
		if !near(m.Median, 50*unit) || !near(m.P95, 95*unit) {
			t.Errorf("of 1 to 100 times %v, the median is %v, and the 95th percentile %v", unit, m.Median, m.P95)
		}
	}
	_, counter := open()
	counter.Record(events.Event{Kind: events.Sent})
	counter.Record(events.Event{Kind: events.Sent, Duration: 1 << 62})
	if m := counter.Last(1)[0]; m.Sent != 2 || m.Median > time.Second {
		t.Errorf("%+v", m)
	}
}
