package events

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// Log is a Sink that writes one line for each event. Titles and bodies are not
// logged: they are nobody's business but the recipients'.
type Log struct{ Logger *slog.Logger }

// words are what a line begins with, and how loud it is.
var words = map[Kind]struct {
	level slog.Level
	text  string
}{
	Accepted:  {slog.LevelInfo, "accepted"},
	Duplicate: {slog.LevelInfo, "accepted again, a repeat"},
	Refused:   {slog.LevelWarn, "refused"},
	Warned:    {slog.LevelInfo, "converted with a loss"},
	Sent:      {slog.LevelInfo, "sent"},
	Flagged:   {slog.LevelWarn, "flagged"},
	Deferred:  {slog.LevelWarn, "deferred"},
	Failed:    {slog.LevelError, "failed"},
	Held:      {slog.LevelError, "held"},
	Released:  {slog.LevelInfo, "released"},
	Surprised: {slog.LevelWarn, "surprising answer"},
	Started:   {slog.LevelInfo, "started"},
	Stopping:  {slog.LevelInfo, "stopping"},
	Trouble:   {slog.LevelError, "trouble"},
	Told:      {slog.LevelInfo, "told"},
	Backlog:   {slog.LevelWarn, "backlog"},
	Oldest:    {slog.LevelWarn, "waiting for long"},
}

// Record implements Sink.
func (l Log) Record(e Event) {
	w, known := words[e.Kind]
	if !known {
		w.level, w.text = slog.LevelWarn, string(e.Kind)
	}
	var attrs []slog.Attr
	str := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	num := func(key string, value int64) {
		if value != 0 {
			attrs = append(attrs, slog.Int64(key, value))
		}
	}
	str("queue_id", e.QueueID)
	str("reason", e.Reason)
	str("client", e.Client)
	str("from", e.Sender)
	str("to", strings.Join(e.To, ","))
	str("route", e.Route)
	str("team", e.Team)
	str("local_id", e.LocalID)
	num("convo_id", e.Convo)
	num("message_id", e.Message)
	num("attempt", int64(e.Attempt))
	num("status", int64(e.Status))
	str("request_id", e.APIID)
	num("bytes", int64(e.Size))
	num("waiting", int64(e.Waiting))
	if !e.Since.IsZero() {
		attrs = append(attrs, slog.Time("since", e.Since))
	}
	if e.Took != 0 {
		attrs = append(attrs, slog.Duration("took", e.Took.Round(time.Millisecond)))
	}
	if !e.Due.IsZero() {
		attrs = append(attrs, slog.Time("due", e.Due))
	}
	if e.Err != nil {
		str("cause", e.Err.Error())
	}
	l.Logger.LogAttrs(context.Background(), w.level, w.text, attrs...)
}
