package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/metrics"
)

// newMetrics returns the metrics of this relay, or nil if the configuration has no
// address for them.
func (r *Relay) newMetrics(p Parts) *metrics.Metrics {
	if r.cfg.Metrics.Address == "" {
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
	if r.metrics == nil {
		return nil
	}
	l, err := p.Listen("tcp", r.cfg.Metrics.Address)
	if err != nil {
		return fmt.Errorf("metrics.address: %w%s", err, hint(err))
	}
	r.pages = l
	return nil
}

// servePages serves metrics and probes until the returned function is called, also while
// the relay shuts down.
func (r *Relay) servePages() (stop func()) {
	if r.pages == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", r.metrics.Handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "alive") // the client may have gone
	})
	mux.HandleFunc("GET /readyz", r.answerReady)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(r.pages); !errors.Is(err, http.ErrServerClosed) {
			r.recordError("metrics and probes are not served any more", err)
		}
	}()
	return func() {
		_ = server.Close()
		<-ended
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
