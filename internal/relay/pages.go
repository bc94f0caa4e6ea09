package relay

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/metrics"
)

// newMetrics returns the metrics of this relay, or nil if the configuration has no
// address at which they would be served.
func (r *Relay) newMetrics(p Parts) *metrics.Metrics {
	if r.cfg.Metrics.Address == "" && r.cfg.Console.Address == "" {
		return nil
	}
	rates := map[string]int{}
	for name, t := range r.cfg.Teams {
		rates[name] = int(t.Rate)
	}
	return metrics.New(metrics.Options{
		Spool:       p.Store,
		Connections: func() int { return r.server.Connections() },
		Rates:       rates,
		Version:     p.UserAgent,
		Now:         p.Now,
	})
}

// listenPages opens the listener of metrics and probes, if there is one.
func (r *Relay) listenPages(p Parts) error {
	if r.cfg.Metrics.Address == "" {
		return nil
	}
	l, err := p.Listen("tcp", r.cfg.Metrics.Address)
	if err != nil {
		return fmt.Errorf("metrics.address: %w%s", err, hint(err))
	}
	r.pages = l
	return nil
}

// probePaths are the paths of metrics and probes, which need no login.
var probePaths = []string{"/metrics", "/livez", "/readyz"}

// handleProbes adds metrics and probes to mux.
func (r *Relay) handleProbes(mux *http.ServeMux) {
	mux.Handle("GET /metrics", r.metrics.Handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "alive") // the client may have gone
	})
	mux.HandleFunc("GET /readyz", r.answerReady)
}

// servePages serves metrics, probes and the console until the returned function is called, also
// while the relay shuts down.
func (r *Relay) servePages() (stop func()) {
	stopProbes, stopConsole := func() {}, func() {}
	if r.pages != nil {
		mux := http.NewServeMux()
		r.handleProbes(mux)
		stopProbes = r.serveHTTP("metrics and probes are", r.pages, mux, 30*time.Second)
	}
	if r.panel != nil {
		stopConsole = r.serveHTTP("the console is", r.panel.listener, r.panel.handler, time.Minute)
	}
	return func() {
		stopConsole()
		stopProbes()
	}
}

// answerReady answers 200 while the relay accepts mail, also if some of it is delayed,
// and 503 otherwise. The body has the reasons.
func (r *Relay) answerReady(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), 10*time.Second)
	defer cancel()
	h := r.Health(ctx)
	status := http.StatusOK
	if h.Status == NotServing {
		status = http.StatusServiceUnavailable
	}
	writeHealth(w, status, h)
}
