package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"heyrelay/internal/events"
)

// live is the demo's view: one line for each event of a message.
type live struct{ out io.Writer }

// Record implements events.Sink.
func (l live) Record(e events.Event) {
	switch e.Kind {
	case events.Listening, events.Stopping, events.Stopped, events.Detail:
		return // the demo's own text covers them
	case events.LoggedIn, events.LoginFailed:
		return // they are of no message
	case events.Accepted, events.Duplicate:
		l.line(e, fmt.Sprintf("from %s %s %q", e.Sender, strings.Join(e.To, " "), e.Title))
	case events.Sent:
		took := e.Duration.Round(time.Millisecond)
		l.line(e, fmt.Sprintf("conversation %d, message %d, after %s", e.Convo, e.Message, took))
	case events.Deferred:
		l.line(e, fmt.Sprintf("%s; next attempt in %s", e.Reason, e.Due.Sub(e.Time).Round(time.Second)))
	case events.Downloaded:
		l.line(e, fmt.Sprintf("%d bytes by %s", e.Size, e.Client))
	default:
		l.line(e, e.Reason)
	}
}

func (l live) line(e events.Event, text string) {
	fmt.Fprintf(l.out, "%s  %-10s  %-16s  %s\n", e.Time.Format(time.TimeOnly), e.Kind, e.QueueID, printable(text))
}
