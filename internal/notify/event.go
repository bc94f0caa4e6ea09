package notify

import (
	"encoding/json"
	"slices"
	"time"

	"heyrelay/internal/events"
)

// Encoder returns a function that encodes events for the webhook as JSON; nil for
// events of kinds that the operator did not choose.
func Encoder(kinds []string) func(events.Event) []byte {
	return func(e events.Event) []byte {
		if !slices.Contains(kinds, string(e.Kind)) {
			return nil
		}
		text, _ := json.Marshal(e) // fails only for a year that RFC 3339 cannot express
		return text
	}
}

// Thresholds watches the backlog. Crossing a threshold is an event once, and again
// only after the figure was down to half of it.
type Thresholds struct {
	Backlog int           // pending requests; 0: no threshold
	Oldest  time.Duration // age of the oldest pending request; 0: no threshold

	many, old bool
}

// Check takes the number of pending requests and when the oldest was accepted, zero
// where there is none. It returns an event for each threshold that was crossed.
func (t *Thresholds) Check(now time.Time, pending int, oldest time.Time) (crossed []events.Event) {
	age := time.Duration(0)
	if pending > 0 && !oldest.IsZero() {
		age = now.Sub(oldest)
	}
	e := events.Event{Time: now, Pending: pending, Since: oldest}
	if begins(&t.many, int64(pending), int64(t.Backlog)) {
		e.Kind = events.Backlog
		e.Reason = "more requests are pending than events.backlog allows"
		crossed = append(crossed, e)
	}
	if begins(&t.old, int64(age), int64(t.Oldest)) {
		e.Kind = events.Oldest
		e.Reason = "the oldest request has been pending for longer than events.oldest allows"
		crossed = append(crossed, e)
	}
	return crossed
}

// begins reports whether a figure crossed its threshold now; over remembers that
// until the figure is down to half.
func begins(over *bool, figure, threshold int64) bool {
	switch {
	case threshold == 0 || figure <= threshold/2:
		*over = false
	case figure > threshold && !*over:
		*over = true
		return true
	}
	return false
}
