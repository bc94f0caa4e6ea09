package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"heyrelay/internal/events"
)

// The budget that is used is that of the last minute.
func TestBudgetUsed(t *testing.T) {
	now := noon
	m := New(Options{
		Rates: func() map[string]int { return map[string]int{"t": 100, "idle": 10} },
		Now:   func() time.Time { return now },
	})
	for range 30 {
		m.Call("t", 200, time.Millisecond)
	}
	now = noon.Add(40 * time.Second)
	for range 5 {
		m.Call("t", 0, time.Millisecond)
	}
	const used = `
# HELP heyrelay_team_budget_used_ratio API calls in the last minute, as a share of the team's rate.
# TYPE heyrelay_team_budget_used_ratio gauge
heyrelay_team_budget_used_ratio{team="idle"} 0
heyrelay_team_budget_used_ratio{team="t"} %v
`
	compare(t, m, fmt.Sprintf(used, 0.35), "heyrelay_team_budget_used_ratio")
	now = noon.Add(61 * time.Second)
	compare(t, m, fmt.Sprintf(used, 0.05), "heyrelay_team_budget_used_ratio")
}

// Commit times and batch sizes are those that the spool has counted.
func TestCommits(t *testing.T) {
	compare(t, newMetrics(fakeSpool{}), `
# HELP heyrelay_spool_commit_operations Operations that were committed together.
# TYPE heyrelay_spool_commit_operations histogram
heyrelay_spool_commit_operations_bucket{le="1"} 1
heyrelay_spool_commit_operations_bucket{le="2"} 1
heyrelay_spool_commit_operations_bucket{le="5"} 2
heyrelay_spool_commit_operations_bucket{le="10"} 2
heyrelay_spool_commit_operations_bucket{le="20"} 2
heyrelay_spool_commit_operations_bucket{le="50"} 2
heyrelay_spool_commit_operations_bucket{le="100"} 2
heyrelay_spool_commit_operations_bucket{le="200"} 2
heyrelay_spool_commit_operations_bucket{le="500"} 2
heyrelay_spool_commit_operations_bucket{le="1000"} 2
heyrelay_spool_commit_operations_bucket{le="+Inf"} 2
heyrelay_spool_commit_operations_sum 4
heyrelay_spool_commit_operations_count 2
`, "heyrelay_spool_commit_operations")
}

// What a client or another server causes is no fault of the relay or its host.
func TestUnable(t *testing.T) {
	m := newMetrics(fakeSpool{})
	for _, e := range []events.Event{
		{Status: 451, Enhanced: "4.3.0"}, // an internal error
		{Status: 452, Enhanced: "4.3.1"}, // a full disk
		{Status: 452, Enhanced: "4.7.1"}, // more messages in a minute than the client may send
		{Status: 452, Enhanced: "4.5.3"}, // too many recipients
		{Status: 451, Enhanced: "4.4.1"}, // the next hop of a shadow is down
		{Status: 451},                    // or defers the message
		{Status: 421, Enhanced: "4.3.2"}, // a restart
		{Status: 552, Enhanced: "5.3.4"},
	} {
		e.Kind = events.Refused
		m.Record(e)
	}
	compare(t, m, `
# HELP heyrelay_messages_unable_total Messages deferred by a fault of heyrelay or its host, such as a full disk.
# TYPE heyrelay_messages_unable_total counter
heyrelay_messages_unable_total 2
`, "heyrelay_messages_unable_total")
}

// Servers that make up status codes add no series without end.
func TestCodesAreBounded(t *testing.T) {
	m := newMetrics(fakeSpool{})
	for status := range 5000 {
		m.Call("t", status-1000, 0)
		m.Record(events.Event{Kind: events.Refused, Status: status})
		m.Record(events.Event{Kind: events.Deferred, Team: "t", Status: status})
	}
	for name, n := range map[string]int{
		"calls":    testutil.CollectAndCount(m.calls),
		"refused":  testutil.CollectAndCount(m.refused),
		"attempts": testutil.CollectAndCount(m.attempts),
	} {
		if n > 502 {
			t.Errorf("%s: %d series", name, n)
		}
	}
}

// Each step of an event is observed.
func TestSteps(t *testing.T) {
	m := newMetrics(fakeSpool{})
	m.Record(events.Event{Kind: events.Accepted, Route: "shop", Steps: []events.Step{
		{Name: "convert", Start: noon, End: noon.Add(time.Second)},
		{Name: "commit", Start: noon, End: noon.Add(time.Second)},
	}})
	if n := testutil.CollectAndCount(m.steps); n != 2 {
		t.Errorf("%d series, want 2", n)
	}
}

// What ends on a route is counted from 0, also on one that a reload has added: Prometheus sees no increase
// in a series that begins with the first failure.
func TestSeriesBeginAtZero(t *testing.T) {
	routes := []string{"shop"}
	m := New(Options{
		Rates:  func() map[string]int { return nil },
		Routes: func() []string { return routes },
		Now:    func() time.Time { return noon },
	})
	m.Record(events.Event{Kind: events.Failed, Route: "gone"})
	scrape := func() { m.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)) }
	scrape()
	const gone = `
# HELP heyrelay_requests_finished_total Requests that ended, by outcome: sent, flagged or failed.
# TYPE heyrelay_requests_finished_total counter
heyrelay_requests_finished_total{outcome="failed",route="gone"} 1
`
	const shop = `heyrelay_requests_finished_total{outcome="failed",route="shop"} 0
heyrelay_requests_finished_total{outcome="flagged",route="shop"} 0
heyrelay_requests_finished_total{outcome="sent",route="shop"} 0
`
	compare(t, m, gone+shop, "heyrelay_requests_finished_total")
	routes = []string{"support"}
	scrape()
	compare(t, m, gone+shop+strings.ReplaceAll(shop, "shop", "support"), "heyrelay_requests_finished_total")
}
