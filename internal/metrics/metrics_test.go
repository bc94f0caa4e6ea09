package metrics

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// fakeSpool is a spool with a ledger, a hold and a backlog, or one that fails.
type fakeSpool struct{ err error }

func (f fakeSpool) Stats(context.Context) ([]spool.RouteStats, error) {
	return []spool.RouteStats{{Route: "shop", States: map[string]int{"deferred": 2, "sent": 40}}}, f.err
}

func (f fakeSpool) Holds(context.Context) ([]spool.Hold, error) {
	return []spool.Hold{
		{Team: "t", Since: noon, Operator: true},
		{Team: "t", Route: "shop", Inbox: 2, Since: noon},
		{Team: "t", Route: "shop", Inbox: 1, Since: noon.Add(-time.Hour)},
	}, f.err
}

func (f fakeSpool) Backlog(context.Context) (int, time.Time, error) {
	return 2, noon.Add(-90 * time.Second), f.err
}

func (f fakeSpool) FileStats(context.Context, time.Time) (spool.FileStats, error) {
	return spool.FileStats{Objects: 3, Bytes: 4096, Open: 5, Garbage: 1}, f.err
}

func newMetrics(s Spool) *Metrics {
	return New(Options{
		Spool: s,
		Commits: func() spool.Commits {
			var c spool.CommitCounter
			c.Add(3, 4*time.Millisecond)
			c.Add(1, 40*time.Second)
			return c.Commits()
		},
		Connections: func() int { return 7 },
		Rates:       func() map[string]int { return map[string]int{"t": 500} },
		Version:     "1.2.3",
		Now:         func() time.Time { return noon },
	})
}

// compare fails unless the named metrics have just these values.
func compare(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m.Gather(), strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestEventsAreCounted(t *testing.T) {
	m := newMetrics(fakeSpool{})
	for _, e := range []events.Event{
		{Kind: events.Accepted, Route: "shop", Size: 2000},
		{Kind: events.Accepted, Route: "shop", Size: 5000},
		{Kind: events.Duplicate, Route: "shop"},
		{Kind: events.Shadowed, Route: "shop", Code: "refused", Reason: "554 alice@example.com"},
		{Kind: events.Refused, Status: 554, Route: "", Reason: "alice@example.com"},
		{Kind: events.Warned, Code: "attachment-dropped"},
		{Kind: events.Deferred, Route: "shop", Team: "t", Status: 500},
		{Kind: events.Sent, Route: "shop", Team: "t", Status: 201, Duration: 90 * time.Second},
		{Kind: events.Failed, Route: "shop", Team: "t", Status: 400},
		{Kind: events.Flagged, Route: "shop", Team: "t", Status: 200},
		{Kind: events.Anomaly, Team: "t"},
		{Kind: events.Reported, Route: "shop"},
		{Kind: events.Downloaded, Route: "shop", Status: 206, Client: "192.0.2.1"},
		{Kind: events.DownloadRefused, Status: 404, Client: "192.0.2.1"},
		{Kind: events.Error},
		{Kind: events.Held, Team: "t"},
	} {
		m.Record(e)
	}
	compare(t, m, `
# HELP heyrelay_messages_accepted_total Messages stored and answered 250.
# TYPE heyrelay_messages_accepted_total counter
heyrelay_messages_accepted_total{route="shop"} 2
# HELP heyrelay_messages_duplicate_total Repeated messages answered 250 with the queue id of the first.
# TYPE heyrelay_messages_duplicate_total counter
heyrelay_messages_duplicate_total{route="shop"} 1
# HELP heyrelay_messages_shadowed_total Messages passed on by a shadow, by what would have happened: sent or refused.
# TYPE heyrelay_messages_shadowed_total counter
heyrelay_messages_shadowed_total{route="shop",would_be="refused"} 1
# HELP heyrelay_messages_refused_total Messages and commands answered 4xx or 5xx, by reply code (0: connection closed).
# TYPE heyrelay_messages_refused_total counter
heyrelay_messages_refused_total{code="554"} 1
# HELP heyrelay_conversion_warnings_total Parts of messages that were repaired, guessed or dropped, by kind.
# TYPE heyrelay_conversion_warnings_total counter
heyrelay_conversion_warnings_total{kind="attachment-dropped"} 1
# HELP heyrelay_attempts_total Attempts that ended, by outcome and HTTP status (0: no response).
# TYPE heyrelay_attempts_total counter
heyrelay_attempts_total{outcome="deferred",status="500",team="t"} 1
heyrelay_attempts_total{outcome="failed",status="400",team="t"} 1
heyrelay_attempts_total{outcome="flagged",status="200",team="t"} 1
heyrelay_attempts_total{outcome="sent",status="201",team="t"} 1
# HELP heyrelay_requests_finished_total Requests that ended, by outcome: sent, flagged or failed.
# TYPE heyrelay_requests_finished_total counter
heyrelay_requests_finished_total{outcome="failed",route="shop"} 1
heyrelay_requests_finished_total{outcome="flagged",route="shop"} 1
heyrelay_requests_finished_total{outcome="sent",route="shop"} 1
# HELP heyrelay_anomalies_total Unexpected API responses and other anomalies; the log has the details.
# TYPE heyrelay_anomalies_total counter
heyrelay_anomalies_total{team="t"} 1
# HELP heyrelay_reports_total Delivery status reports sent to senders.
# TYPE heyrelay_reports_total counter
heyrelay_reports_total{route="shop"} 1
# HELP heyrelay_downloads_total Requests for files, by the message's route and HTTP status; no route: no file was found.
# TYPE heyrelay_downloads_total counter
heyrelay_downloads_total{code="206",route="shop"} 1
heyrelay_downloads_total{code="404",route=""} 1
# HELP heyrelay_errors_total Errors of heyrelay itself or its host; the log has the details.
# TYPE heyrelay_errors_total counter
heyrelay_errors_total 1
`, "heyrelay_messages_accepted_total", "heyrelay_messages_duplicate_total", "heyrelay_messages_refused_total",
		"heyrelay_messages_shadowed_total",
		"heyrelay_conversion_warnings_total", "heyrelay_attempts_total", "heyrelay_requests_finished_total",
		"heyrelay_anomalies_total", "heyrelay_reports_total", "heyrelay_downloads_total",
		"heyrelay_errors_total")
	if n := testutil.CollectAndCount(m.delivery); n != 1 {
		t.Errorf("%d series of the delivery duration, want 1", n)
	}
}

func TestTheSpoolIsReadAtEachScrape(t *testing.T) {
	compare(t, newMetrics(fakeSpool{}), `
# HELP heyrelay_requests All requests so far, by route and current state.
# TYPE heyrelay_requests gauge
heyrelay_requests{route="shop",state="deferred"} 2
heyrelay_requests{route="shop",state="sent"} 40
# HELP heyrelay_oldest_pending_seconds Age of the oldest pending request; 0 if none is pending.
# TYPE heyrelay_oldest_pending_seconds gauge
heyrelay_oldest_pending_seconds 90
# HELP heyrelay_hold_since_timestamp_seconds When a hold of a route, or of a whole team (no route), began, and by whom.
# TYPE heyrelay_hold_since_timestamp_seconds gauge
heyrelay_hold_since_timestamp_seconds{by="heyrelay",route="shop",team="t"} 1.7935308e+09
heyrelay_hold_since_timestamp_seconds{by="operator",route="",team="t"} 1.7935344e+09
# HELP heyrelay_team_rate_per_minute API calls that a team may make each minute.
# TYPE heyrelay_team_rate_per_minute gauge
heyrelay_team_rate_per_minute{team="t"} 500
# HELP heyrelay_smtp_connections Open SMTP connections.
# TYPE heyrelay_smtp_connections gauge
heyrelay_smtp_connections 7
# HELP heyrelay_blob_objects Files in the blob store, each counted once in a route.
# TYPE heyrelay_blob_objects gauge
heyrelay_blob_objects 3
# HELP heyrelay_blob_bytes Size of the files in the blob store.
# TYPE heyrelay_blob_bytes gauge
heyrelay_blob_bytes 4096
# HELP heyrelay_blob_garbage_objects Files that no link needs any longer and that are not deleted yet.
# TYPE heyrelay_blob_garbage_objects gauge
heyrelay_blob_garbage_objects 1
# HELP heyrelay_links_open Links to files that have neither expired nor been revoked.
# TYPE heyrelay_links_open gauge
heyrelay_links_open 5
# HELP heyrelay_spool_up 1 if the spool could be read for this scrape, else 0.
# TYPE heyrelay_spool_up gauge
heyrelay_spool_up 1
`, "heyrelay_blob_objects", "heyrelay_blob_bytes", "heyrelay_blob_garbage_objects", "heyrelay_links_open",
		"heyrelay_requests", "heyrelay_oldest_pending_seconds", "heyrelay_hold_since_timestamp_seconds",
		"heyrelay_team_rate_per_minute", "heyrelay_smtp_connections", "heyrelay_spool_up")
}

// A spool that cannot be read must not take the counters with it.
func TestASpoolThatFails(t *testing.T) {
	m := newMetrics(fakeSpool{err: errors.New("disk I/O error")})
	m.Record(events.Event{Kind: events.Error})
	compare(t, m, `
# HELP heyrelay_errors_total Errors of heyrelay itself or its host; the log has the details.
# TYPE heyrelay_errors_total counter
heyrelay_errors_total 1
# HELP heyrelay_spool_up 1 if the spool could be read for this scrape, else 0.
# TYPE heyrelay_spool_up gauge
heyrelay_spool_up 0
`, "heyrelay_errors_total", "heyrelay_spool_up", "heyrelay_requests")
}

// The lint is that of promtool check metrics.
func TestNamesAndHelp(t *testing.T) {
	problems, err := testutil.GatherAndLint(newMetrics(fakeSpool{}).Gather())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
