package console

import (
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/events"
)

const (
	streamPace = 300 * time.Millisecond // what follows an event within it is reported with it
	streamBeat = 20 * time.Second       // between signs of life, so that nobody takes the stream for dead
)

// stream reports that something happened, as server-sent events (HTML, section 9.2), until the
// client goes. What happened is on the pages, so a report has no content.
func (c *console) stream(w http.ResponseWriter, r *http.Request) {
	happened, end, ok := c.Events.Subscribe()
	if !ok {
		http.Error(w, "too many pages are open; close some", http.StatusServiceUnavailable)
		return
	}
	defer end()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy must not collect them
	control := http.NewResponseController(w)
	write := func(text string) bool {
		_ = control.SetWriteDeadline(time.Now().Add(2 * streamBeat)) // the server's own is for pages
		_, err := fmt.Fprint(w, text, "\n\n")
		return err == nil && control.Flush() == nil && access.StillKnown(r.Context())
	}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	var pace <-chan time.Time // nil while there is nothing to report
	alive := write("retry: 2000")
	for alive {
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			alive = write(": nothing happened")
		case e, open := <-happened:
			if !open {
				return // it did not keep up; a browser connects again, and fetches the page
			}
			if pace == nil && shown[e.Kind] {
				pace = time.After(streamPace)
			}
		case <-pace:
			pace = nil
			alive = write("event: change\ndata:")
		}
	}
}

// shown are the events after which a page looks different.
var shown = map[events.Kind]bool{
	events.Accepted:  true,
	events.Duplicate: true,
	events.Refused:   true,
	events.Sent:      true,
	events.Flagged:   true,
	events.Deferred:  true,
	events.Shadowed:  true,
	events.Failed:    true,
	events.Held:      true,
	events.Released:  true,
	events.Reloaded:  true,
	events.Error:     true,
	events.Backlog:   true,
	events.Oldest:    true,
}
