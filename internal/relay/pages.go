package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"heyrelay/internal/config"
	"heyrelay/internal/metrics"
	"heyrelay/internal/spool"
)

// page is what is served at an address of the console, of metrics and probes, or of files.
type page struct {
	handler http.Handler
	tls     *tls.Config // nil: no TLS
}

// pageTLS returns what a listener of pages uses for a choice of console.tls or blobs.tls.
func pageTLS(choice string, secure *tls.Config) *tls.Config {
	if choice != config.TLSImplicit {
		return nil
	}
	return &tls.Config{
		GetCertificate: secure.GetCertificate,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
	}
}

// Paths of the configuration at which pages are served.
const (
	metricsPath = "metrics.address"
	consolePath = "console.address"
)

// addPages adds to a set-up what it serves over HTTP, and where.
func (r *Relay) addPages(s *setup, secure *tls.Config) error {
	var all []page
	if address := s.cfg.Metrics.Address; address != "" {
		mux := http.NewServeMux()
		r.handleProbes(mux)
		s.pagesAt = append(s.pagesAt, endpoint{path: metricsPath, network: "tcp", address: address})
		all = append(all, page{handler: mux})
	}
	if address := s.cfg.Console.Address; address != "" {
		console, err := r.consolePage(s, secure)
		if err != nil {
			return err
		}
		s.pagesAt = append(s.pagesAt, endpoint{path: consolePath, network: "tcp", address: address})
		all = append(all, console)
	}
	if s.blobs != nil {
		s.pagesAt = append(s.pagesAt, endpoint{path: filesPath, network: "tcp", address: s.cfg.Blobs.Listen})
		all = append(all, r.filesPage(s, secure))
	}
	s.pages = map[string]page{}
	for i, e := range number(s.pagesAt) {
		s.pages[e.key()] = all[i]
	}
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

// version returns the version of the binary.
func (r *Relay) version() string { return strings.TrimPrefix(r.parts.UserAgent, "heyrelay/") }

func (r *Relay) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{
		Spool:       r.store,
		Commits:     func() spool.Commits { return r.store.Commits() },
		Connections: func() int { return r.server.Connections() },
		Routes:      func() []string { return slices.Collect(maps.Keys(routes(r.config()))) },
		Rates:       func() map[string]int { return rates(r.config()) },
		Paused:      func(ctx context.Context, team string) bool { return r.pause(ctx, team) != "" },
		Version:     r.version(),
		Now:         r.now,
	})
}

// maxPages is how many connections a listener of pages has at a time.
const maxPages = 256

// pagesEnd is how long requests for a page may go on after its listener was closed.
const pagesEnd = 5 * time.Second

// pagesTime is pagesEnd, or what a shutdown leaves of it: a download can take hours.
func (r *Relay) pagesTime() time.Duration {
	if r.stopping.Load() {
		return r.endTime()
	}
	return pagesEnd
}

// newPageServer returns a server with time-outs. A response that takes longer than a minute
// lengthens its own time.
func newPageServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // faults of clients
	}
}

// servePages serves what the set-up in force has at a key, until the listener is retired.
func (r *Relay) servePages(key string, l net.Listener) (retire func()) {
	server := newPageServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if p, ok := r.setup.Load().pages[key]; ok {
			p.handler.ServeHTTP(w, req)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable) // a reload has just closed the address
	}))
	closed := make(chan struct{})
	server.RegisterOnShutdown(func() { close(closed) })
	encryption := func() *tls.Config { return r.setup.Load().pages[key].tls }
	encrypted := pageListener{r.limitPages(key, l), encryption}
	r.pages.serving.Go(func() {
		if err := server.Serve(encrypted); !errors.Is(err, http.ErrServerClosed) {
			r.recordError("pages are no longer served at "+key, err)
		}
	})
	r.recordListening(l)
	return func() {
		r.pages.serving.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), r.pagesTime())
			defer cancel()
			if err := server.Shutdown(ctx); err != nil {
				_ = server.Close()
			}
		})
		<-closed
	}
}

// limitPages bounds the connections of a listener.
func (r *Relay) limitPages(key string, l net.Listener) net.Listener {
	forFiles := func(e endpoint) bool { return e.forFiles() && e.key() == key }
	if !slices.ContainsFunc(r.setup.Load().pagesAt, forFiles) {
		return netutil.LimitListener(l, maxPages)
	}
	proxied := func(client netip.Addr) bool { return r.config().Blobs.Proxies.Contains(client) }
	return netutil.LimitListener(&fileListener{Listener: l, proxied: proxied}, maxFiles)
}

// pageListener starts TLS where the set-up in force has it.
type pageListener struct {
	net.Listener
	tls func() *tls.Config
}

// Accept implements net.Listener.
func (l pageListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if secure := l.tls(); err == nil && secure != nil {
		return tls.Server(c, secure), nil
	}
	return c, err
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
	writeJSON(w, status, h)
}
