package notify

import (
	"encoding/json"
	"slices"
	"time"

	"heyrelay/internal/events"
)

// Encoder returns what makes an event for the webhook: its JSON, or nil where the
// operator does not want events of its kind.
func Encoder(kinds []string) func(events.Event) []byte {
	return func(e events.Event) []byte {
		if !slices.Contains(kinds, string(e.Kind)) {
			return nil
		}
		text, _ := json.Marshal(e) // fails for a year that RFC 3339 cannot write, and for nothing else
		return text
	}
}

// Watch sees when too much is waiting, or for too long. Each is an event when it
// begins, and again only after it was down to half.
type Watch struct {
	Backlog int           // requests over which they are too many; 0: they never are
	Oldest  time.Duration // age over which the oldest is too old; 0: it never is

	many, old bool
}

// Look takes how many requests wait, and when the oldest of them was accepted: zero
// where there is none. It returns what has begun.
func (w *Watch) Look(now time.Time, waiting int, oldest time.Time) (begun []events.Event) {
	age := time.Duration(0)
	if waiting > 0 && !oldest.IsZero() {
		age = now.Sub(oldest)
	}
	if begins(&w.many, int64(waiting), int64(w.Backlog)) {
		begun = append(begun, events.Event{Kind: events.Backlog, Time: now, Pending: waiting, Since: oldest,
			Reason: "more requests are waiting than events.backlog allows"})
	}
	if begins(&w.old, int64(age), int64(w.Oldest)) {
		begun = append(begun, events.Event{Kind: events.Oldest, Time: now, Pending: waiting, Since: oldest,
			Reason: "the oldest request has been waiting for longer than events.oldest allows"})
	}
	return begun
}

// begins reports whether a figure went over its threshold now; on remembers that
// it did until the figure is down to half of it.
func begins(on *bool, figure, threshold int64) bool {
	switch {
	case threshold == 0 || figure <= threshold/2:
		*on = false
	case figure > threshold && !*on:
		*on = true
		return true
	}
	return false
}
