package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"heyrelay/internal/spool"
)

// Spool is what a scrape reads of the spool. Each method but FileStats costs by the number of
// routes, however much is pending.
type Spool interface {
	Stats(ctx context.Context) ([]spool.RouteStats, error)
	Holds(ctx context.Context) ([]spool.Hold, error)
	Backlog(ctx context.Context) (pending int, oldest time.Time, err error)
	FileStats(ctx context.Context, now time.Time) (spool.FileStats, error)
}

// scrapeTimeout bounds what one scrape waits for the spool.
const scrapeTimeout = 5 * time.Second

var (
	requestsDesc = prometheus.NewDesc(namespace+"_requests",
		"All requests so far, by route and current state.", []string{"route", "state"}, nil)
	oldestDesc = prometheus.NewDesc(namespace+"_oldest_pending_seconds",
		"Age of the oldest pending request; 0 if none is pending.", nil, nil)
	holdDesc = prometheus.NewDesc(namespace+"_hold_since_timestamp_seconds",
		"When a hold of a route, or of a whole team (no route), began, and by whom.",
		[]string{"team", "route", "by"}, nil)
	rateDesc = prometheus.NewDesc(namespace+"_team_rate_per_minute",
		"API calls that a team may make each minute.", []string{"team"}, nil)
	usedDesc = prometheus.NewDesc(namespace+"_team_budget_used_ratio",
		"API calls in the last minute, as a share of the team's rate.", []string{"team"}, nil)
	pausedDesc = prometheus.NewDesc(namespace+"_team_paused",
		"1 if a team makes no calls, or one at a time, because they fail or the API answered 429; else 0.",
		[]string{"team"}, nil)
	objectsDesc = prometheus.NewDesc(namespace+"_blob_objects",
		"Files in the blob store, each counted once in a route.", nil, nil)
	bytesDesc = prometheus.NewDesc(namespace+"_blob_bytes",
		"Size of the files in the blob store.", nil, nil)
	garbageDesc = prometheus.NewDesc(namespace+"_blob_garbage_objects",
		"Files that no link needs any longer and that are not deleted yet.", nil, nil)
	linksDesc = prometheus.NewDesc(namespace+"_links_open",
		"Links to files that have neither expired nor been revoked.", nil, nil)
	upDesc = prometheus.NewDesc(namespace+"_spool_up",
		"1 if the spool could be read for this scrape, else 0.", nil, nil)
)

// state is a collector that reads the spool when it is scraped.
type state struct {
	spool  Spool
	rates  func() map[string]int
	used   func(team string) int // calls in the last minute
	paused func(ctx context.Context, team string) bool
	now    func() time.Time
}

// Describe implements prometheus.Collector.
func (s *state) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestsDesc, oldestDesc, holdDesc, rateDesc, usedDesc, pausedDesc, upDesc, objectsDesc, bytesDesc, garbageDesc,
		linksDesc,
	} {
		c <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out, and
// heyrelay_spool_up is 0 then.
func (s *state) Collect(c chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	for team, rate := range s.rates() {
		gauge(c, rateDesc, float64(rate), team)
		gauge(c, usedDesc, float64(s.used(team))/float64(rate), team)
		if s.paused != nil {
			gauge(c, pausedDesc, oneIf(s.paused(ctx, team)), team)
		}
	}
	if s.spool == nil {
		return
	}
	up := 1.0
	for _, read := range []func(context.Context, chan<- prometheus.Metric) error{
		s.requests, s.holds, s.backlog, s.files,
	} {
		if err := read(ctx, c); err != nil {
			up = 0
		}
	}
	gauge(c, upDesc, up)
}

func (s *state) requests(ctx context.Context, c chan<- prometheus.Metric) error {
	routes, err := s.spool.Stats(ctx)
	if err != nil {
		return err
	}
	for _, r := range routes {
		for state, n := range r.States {
			gauge(c, requestsDesc, float64(n), r.Route, state)
		}
	}
	return nil
}

func (s *state) holds(ctx context.Context, c chan<- prometheus.Metric) error {
	holds, err := s.spool.Holds(ctx)
	if err != nil {
		return err
	}
	since := map[[3]string]time.Time{} // a route may be on hold for several inboxes
	for _, h := range holds {
		by := "heyrelay"
		if h.Operator {
			by = "operator"
		}
		at := [3]string{h.Team, h.Route, by}
		if first, held := since[at]; !held || h.Since.Before(first) {
			since[at] = h.Since
		}
	}
	for at, t := range since {
		gauge(c, holdDesc, float64(t.Unix()), at[:]...)
	}
	return nil
}

func (s *state) backlog(ctx context.Context, c chan<- prometheus.Metric) error {
	_, oldest, err := s.spool.Backlog(ctx)
	if err != nil {
		return err
	}
	age := 0.0
	if !oldest.IsZero() {
		age = max(0, s.now().Sub(oldest).Seconds())
	}
	gauge(c, oldestDesc, age)
	return nil
}

func (s *state) files(ctx context.Context, c chan<- prometheus.Metric) error {
	n, err := s.spool.FileStats(ctx, s.now())
	if err != nil {
		return err
	}
	gauge(c, objectsDesc, float64(n.Objects))
	gauge(c, bytesDesc, float64(n.Bytes))
	gauge(c, garbageDesc, float64(n.Garbage))
	gauge(c, linksDesc, float64(n.Open))
	return nil
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func gauge(c chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
