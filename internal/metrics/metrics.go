// Package metrics counts what the relay does and what its spool holds, and serves both
// to Prometheus.
//
// [Metrics] is an event sink: counters and histograms follow the events as they happen.
// What the spool holds is read from it when Prometheus scrapes, from the ledger, so that
// it costs the same with a thousand and with a million pending requests.
//
// Label values are bounded: names of routes and teams, SMTP and HTTP status codes, and
// words of the project's own. No address, id or text of a message becomes a label.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// namespace begins the name of every metric of heyrelay's own.
const namespace = "heyrelay"

// Metrics is an events.Sink whose counters Prometheus can scrape. Make one with New.
type Metrics struct {
	registry *prometheus.Registry
	routes   func() []string

	accepted, duplicates, refused, warnings *prometheus.CounterVec
	shadowed, downloads                     *prometheus.CounterVec
	finished, attempts, anomalies, reports  *prometheus.CounterVec
	errors, unable                          prometheus.Counter
	delivery, steps, calls                  *prometheus.HistogramVec
	usage                                   usage
	size                                    prometheus.Histogram
}

// Options are what New needs.
type Options struct {
	Commits     func() spool.Commits  // of the spool; nil for none
	Spool       Spool                 // read at each scrape; nil for none
	Connections func() int            // open SMTP connections; nil for unknown
	Routes      func() []string       // names of the routes that are configured now; nil for none
	Rates       func() map[string]int // calls a minute that each team may make now
	Version     string                // of the binary
	Now         func() time.Time

	// Paused reports whether a team makes no calls now, or one at a time, because the API does not take
	// them; nil for no team.
	Paused func(ctx context.Context, team string) bool
}

// New returns metrics that nothing has counted yet.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), routes: o.Routes, usage: usage{now: o.Now}}
	m.addCounters()
	m.addHistograms()
	m.registry.MustRegister(buildInfo(o.Version),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&state{spool: o.Spool, rates: o.Rates, used: m.usage.used, paused: o.Paused, now: o.Now})
	if o.Connections != nil {
		m.registry.MustRegister(connections(o.Connections))
	}
	if o.Commits != nil {
		m.registry.MustRegister(commits(o.Commits))
	}
	return m
}

// addCounters makes what counts events.
func (m *Metrics) addCounters() {
	m.accepted = m.counter("messages_accepted_total",
		"Messages stored and answered 250.", "route")
	m.duplicates = m.counter("messages_duplicate_total",
		"Repeated messages answered 250 with the queue id of the first.", "route")
	m.shadowed = m.counter("messages_shadowed_total",
		"Messages passed on by a shadow, by what would have happened: sent or refused.",
		"route", "would_be")
	m.refused = m.counter("messages_refused_total",
		"Messages and commands answered 4xx or 5xx, by reply code (0: connection closed).", "code")
	m.warnings = m.counter("conversion_warnings_total",
		"Parts of messages that were repaired, guessed or dropped, by kind.", "kind")
	m.finished = m.counter("requests_finished_total",
		"Requests that ended, by outcome: sent, flagged or failed.", "route", "outcome")
	m.attempts = m.counter("attempts_total",
		"Attempts that ended, by outcome and HTTP status (0: no response).", "team", "outcome", "status")
	m.anomalies = m.counter("anomalies_total",
		"Unexpected API responses and other anomalies; the log has the details.", "team")
	m.reports = m.counter("reports_total",
		"Delivery status reports sent to senders.", "route")
	m.downloads = m.counter("downloads_total",
		"Requests for files, by the message's route and HTTP status; no route: no file was found.",
		"route", "code")
	m.errors = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace,
		Name:      "errors_total",
		Help:      "Errors of heyrelay itself or its host; the log has the details.",
	})
	m.unable = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: namespace,
		Name:      "messages_unable_total",
		Help:      "Messages deferred by a fault of heyrelay or its host, such as a full disk.",
	})
	m.registry.MustRegister(m.errors, m.unable)
}

// addHistograms makes what measures times and sizes.
func (m *Metrics) addHistograms() {
	m.delivery = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace,
		Name:      "delivery_duration_seconds",
		Help:      "Time from the 250 to the API's acceptance.",
		Buckets:   []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400},
	}, []string{"team"})
	m.steps = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace,
		Name:      "step_duration_seconds",
		Help:      "Duration of each step: convert and commit of a message; claim, call and finish of an attempt.",
		Buckets:   []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 150},
	}, []string{"step"})
	m.calls = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace,
		Name:      "api_call_duration_seconds",
		Help:      "Duration of API calls, by status (0: no response).",
		Buckets:   []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{"team", "status"})
	m.size = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace,
		Name:      "message_size_bytes",
		Help:      "Size of accepted messages as received.",
		Buckets:   prometheus.ExponentialBuckets(1024, 4, 8),
	})
	m.registry.MustRegister(m.delivery, m.steps, m.calls, m.size)
}

// counter makes a registered counter with labels.
func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// Call counts one HTTP exchange with the API, which took so long; status is 0 for no answer.
func (m *Metrics) Call(team string, status int, took time.Duration) {
	m.calls.WithLabelValues(team, code(status)).Observe(took.Seconds())
	m.usage.add(team)
}

// code is a status code as a label. Those that no RFC allows are one value, so that a server that
// makes them up adds no series without end.
func code(status int) string {
	if status != 0 && (status < 100 || status > 599) {
		return "other"
	}
	return strconv.Itoa(status)
}

// Record implements events.Sink.
func (m *Metrics) Record(e events.Event) {
	for _, s := range e.Steps {
		m.steps.WithLabelValues(s.Name).Observe(s.End.Sub(s.Start).Seconds())
	}
	switch e.Kind {
	case events.Accepted:
		m.accepted.WithLabelValues(e.Route).Inc()
		m.size.Observe(float64(e.Size))
	case events.Duplicate:
		m.duplicates.WithLabelValues(e.Route).Inc()
	case events.Shadowed:
		m.shadowed.WithLabelValues(e.Route, e.Code).Inc()
	case events.Refused:
		m.refused.WithLabelValues(code(e.Status)).Inc()
		if isUnable(e) {
			m.unable.Inc()
		}
	case events.Warned:
		m.warnings.WithLabelValues(e.Code).Inc()
	case events.Sent, events.Flagged, events.Failed:
		m.finished.WithLabelValues(e.Route, string(e.Kind)).Inc()
		m.attempt(e)
	case events.Deferred:
		m.attempt(e)
	case events.Anomaly:
		m.anomalies.WithLabelValues(e.Team).Inc()
	case events.Reported:
		m.reports.WithLabelValues(e.Route).Inc()
	case events.Downloaded, events.DownloadRefused:
		m.downloads.WithLabelValues(e.Route, code(e.Status)).Inc()
	case events.Error:
		m.errors.Inc()
	}
}

// isUnable reports whether a message was refused for now because of this mail system (RFC 3463, section
// 3.4), and not because of its client, of another server, or of a shutdown.
func isUnable(e events.Event) bool {
	return strings.HasPrefix(e.Enhanced, "4.3.") && (e.Status == 451 || e.Status == 452)
}

// attempt counts the end of one attempt.
func (m *Metrics) attempt(e events.Event) {
	m.attempts.WithLabelValues(e.Team, string(e.Kind), code(e.Status)).Inc()
	if e.Kind == events.Sent {
		m.delivery.WithLabelValues(e.Team).Observe(e.Duration.Seconds())
	}
}

// Handler serves the metrics in Prometheus' text format or OpenMetrics, as the scraper
// asks.
func (m *Metrics) Handler() http.Handler {
	handler := promhttp.InstrumentMetricHandler(m.registry,
		promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.beginSeries()
		handler.ServeHTTP(w, r)
	})
}

// Gather returns the current values, for tests.
func (m *Metrics) Gather() prometheus.Gatherer { return m.registry }

// beginSeries has what ends on each route begin at 0. Prometheus sees no increase in a series that
// begins at 1, and the first failure would not alert.
func (m *Metrics) beginSeries() {
	if m.routes == nil {
		return
	}
	for _, route := range m.routes() {
		for _, outcome := range []events.Kind{events.Sent, events.Flagged, events.Failed} {
			m.finished.WithLabelValues(route, string(outcome))
		}
	}
}

func buildInfo(version string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace:   namespace,
		Name:        "build_info",
		Help:        "Always 1; the label has the version of the binary.",
		ConstLabels: prometheus.Labels{"version": version},
	}, func() float64 { return 1 })
}

func connections(open func() int) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace,
		Name:      "smtp_connections",
		Help:      "Open SMTP connections.",
	}, func() float64 { return float64(open()) })
}
