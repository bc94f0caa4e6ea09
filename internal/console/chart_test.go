package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"heyrelay/internal/activity"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

func somePoints() []point {
	begin := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	quiet := activity.Minute{Start: begin, Pending: -1}
	busy := activity.Minute{
		Start:    begin.Add(time.Minute),
		Accepted: 4,
		Sent:     2,
		Failed:   1,
		Calls:    map[string]int{"shop": 250},
		Median:   50 * time.Millisecond,
		P95:      100 * time.Millisecond,
		Pending:  2,
	}
	return parts([]activity.Minute{quiet, busy}, 2)
}

func TestFlowChart(t *testing.T) {
	c := flowChart(somePoints())
	if got := strings.Join(c.Scale, " "); got != "4 0 4" {
		t.Errorf("the scale is %q", got)
	}
	// The second half of the plane, from the middle up to its top, and half way down.
	for i, want := range []string{
		"M342.0 60.0V0.0h216.0V60.0z", "M342.0 60.0V90.0h216.0V60.0z", "M342.0 90.0V105.0h216.0V90.0z",
	} {
		if c.Series[i].Path != want {
			t.Errorf("%s is drawn as %q, want %q", c.Series[i].Name, c.Series[i].Path, want)
		}
	}
	if want := "10:01: 4 accepted, 2 sent, 1 failed"; c.Hints[1].Text != want {
		t.Errorf("the hint is %q, want %q", c.Hints[1].Text, want)
	}
	if c.Title != "Messages per minute" {
		t.Errorf("the title is %q", c.Title)
	}
	if c.Empty != "" || flowChart(somePoints()[:1]).Empty == "" {
		t.Error("a chart is empty where there is something, or not where there is nothing")
	}
}

// What Heymarket did not queue has neither failed nor been sent.
func TestFlaggedIsShown(t *testing.T) {
	f := newFixture(t)
	f.accept("Q1", nil)
	f.finish(spool.Flagged, "queued: false")
	f.activity.Record(events.Event{Kind: events.Flagged, Team: "shop"})
	page := f.get("ann", "/", http.StatusOK)
	f.has(page, "Heymarket did not queue some", "1 flagged in the last hour", `id="total-sent">0<`, `id="total-failed">0<`,
		"0 accepted, 0 sent, 0 failed, 1 flagged;", `class="fill flagged"`)
	f.lacks(page, "1 failed")
}

func TestDelayChart(t *testing.T) {
	c := delayChart(somePoints())
	if want := "M300.0 0.0L600.0 0.0"; c.Series[0].Path != want || c.Scale[0] != "100 ms" {
		t.Errorf("95 %% are drawn as %q up to %s, want %q", c.Series[0].Path, c.Scale[0], want)
	}
	if want := "M300.0 60.0L600.0 60.0"; c.Series[1].Path != want {
		t.Errorf("half is drawn as %q, want %q", c.Series[1].Path, want)
	}
}

func TestOpenAndBudgetCharts(t *testing.T) {
	if c := openChart(somePoints()); c.Series[0].Path != "M342.0 120.0V0.0h216.0V120.0z" {
		t.Errorf("the backlog is drawn as %q", c.Series[0].Path)
	}
	b := budgetChart("shop", 500, somePoints())
	if b.Used != 250 || b.Share != 50 || b.Series[0].Path != "M342.0 120.0V60.0h216.0V120.0z" {
		t.Errorf("the budget is %d, %d %%, drawn as %q", b.Used, b.Share, b.Series[0].Path)
	}
}

func TestNice(t *testing.T) {
	for n, want := range map[float64]float64{0: 2, 1: 2, 3: 4, 5: 10, 11: 20, 150: 200, 401: 1000} {
		if got := nice(n); got != want {
			t.Errorf("%v is scaled to %v, want %v", n, got, want)
		}
	}
}
