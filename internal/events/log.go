package events

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// Log is a Sink that writes one line per event. Titles and bodies are not logged:
// they are confidential between sender and recipients.
type Log struct {
	Logger *slog.Logger
	Masked bool // mail addresses, wherever they are: see Mask
}

// localError is the SMTP reply code of a message that is refused by a fault of heyrelay
// itself or its host (RFC 5321, section 4.2.3). An operator must act on it; other refusals
// are the client's concern.
const localError = 451

// line is the level and the message of a log line.
type line struct {
	level   slog.Level
	message string
}

// lines are those of each kind.
var lines = map[Kind]line{
	Accepted:  {slog.LevelInfo, "accepted"},
	Duplicate: {slog.LevelInfo, "duplicate accepted"},
	Shadowed:  {slog.LevelInfo, "shadowed"},
	Refused:   {slog.LevelWarn, "refused"},
	Warned:    {slog.LevelInfo, "conversion warning"},
	Sent:      {slog.LevelInfo, "sent"},
	Flagged:   {slog.LevelWarn, "flagged"},
	Deferred:  {slog.LevelWarn, "deferred"},
	Failed:    {slog.LevelError, "failed"},
	Held:      {slog.LevelError, "held"},
	Released:  {slog.LevelInfo, "released"},
	Anomaly:   {slog.LevelWarn, "anomaly"},
	Lost:      {slog.LevelInfo, "connection lost"},
	Listening: {slog.LevelInfo, "listening"},
	Reloaded:  {slog.LevelInfo, "reloaded"},
	Stopping:  {slog.LevelInfo, "stopping"},
	Detail:    {slog.LevelDebug, "detail"},
	Stopped:   {slog.LevelInfo, "stopped"},
	Error:     {slog.LevelError, "error"},
	Reported:  {slog.LevelInfo, "report sent"},
	Backlog:   {slog.LevelWarn, "backlog too large"},
	Oldest:    {slog.LevelWarn, "old message pending"},

	Downloaded:      {slog.LevelInfo, "downloaded"},
	DownloadRefused: {slog.LevelInfo, "download refused"},

	LoggedIn:    {slog.LevelInfo, "logged in"},
	LoginFailed: {slog.LevelWarn, "login failed"},
	Operated:    {slog.LevelInfo, "operated"},
}

// lineOf returns the line of an event.
func lineOf(e Event) line {
	l, known := lines[e.Kind]
	switch {
	case !known:
		return line{slog.LevelWarn, string(e.Kind)}
	case e.Kind == Refused && e.Status == localError:
		l.level = slog.LevelError
	case e.Kind == Held && e.Operator:
		l.level = slog.LevelWarn
	}
	return l
}

// usualAttrs is more than a line usually has.
const usualAttrs = 16

// Record implements Sink.
func (l Log) Record(e Event) {
	line := lineOf(e)
	ctx, handler := context.Background(), l.Logger.Handler()
	if !handler.Enabled(ctx, line.level) {
		return
	}
	attrs := make([]slog.Attr, 0, usualAttrs)
	str := func(key, value string) {
		if l.Masked {
			value = Mask(value)
		}
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
	str("code", e.Code)
	str("reason", e.Reason)
	str("client", e.Client)
	str("user", e.User)
	str("from", e.Sender)
	str("to", strings.Join(e.To, ","))
	str("route", e.Route)
	str("team", e.Team)
	if e.Operator {
		attrs = append(attrs, slog.Bool("operator", true))
	}
	str("address", e.Address)
	str("local_id", e.LocalID)
	num("convo_id", e.Convo)
	num("message_id", e.Message)
	num("attempt", int64(e.Attempt))
	num("status", int64(e.Status))
	str("request_id", e.APIID)
	num("size_bytes", int64(e.Size))
	num("pending", int64(e.Pending))
	if !e.Since.IsZero() {
		attrs = append(attrs, slog.Time("since", e.Since))
	}
	num("duration_ms", e.Duration.Milliseconds())
	if !e.Due.IsZero() {
		attrs = append(attrs, slog.Time("due", e.Due))
	}
	if e.Err != nil && !strings.HasPrefix(e.Reason, e.Err.Error()) { // which says the same
		str("error", e.Err.Error())
	}
	r := slog.NewRecord(time.Now(), line.level, line.message, 0) // Logger would look for its caller
	r.AddAttrs(attrs...)
	_ = handler.Handle(ctx, r)
}
