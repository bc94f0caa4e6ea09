package backlog_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/backend"
	"heyrelay/internal/console"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// pages are those of the console. In the large spool, all but a few requests are ready.
var pages = map[string]string{
	"overview":        "/",
	"messages":        "/messages",
	"deep":            "/messages?from=5000",
	"ready":           "/messages?state=ready",
	"failed":          "/messages?state=failed",
	"held":            "/messages?state=held",
	"route":           "/messages?route=route-0007",
	"recipient":       "/messages?q=u77%40example.com",
	"message-id":      "/messages?q=%3Cm77%40example.com%3E",
	"subject":         "/messages?q=no+such+words",
	"message":         "/messages/Q000000000000077",
	"json":            "/messages/Q000000000000077?view=json",
	"conversation":    "/conversations/1",
	"retry one":       "/actions/retry?id=Q000000000000077",
	"drop a route":    "/actions/drop?route=route-0007",
	"drop everything": "/actions/drop?state=waiting",
}

// BenchmarkPages makes each page of the console where many wait.
func BenchmarkPages(b *testing.B) {
	operator, err := sqlite.OpenOperator(largeSpool(b))
	if err != nil {
		b.Fatal(err)
	}
	defer operator.Close()
	handler := serveConsole(b, operator)
	for name, address := range pages {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, address, nil)
				r.Header.Set("X-User", "ann")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatalf("%s: status %d\n%s", address, w.Code, w.Body.String())
				}
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MB-heap")
		})
	}
}

// serveConsole returns a console over a spool in which Ann may do everything.
func serveConsole(b *testing.B, operator spool.Operator) http.Handler {
	b.Helper()
	guard, err := access.New(access.Options{Hosts: []string{"example.com"}, Proxy: access.Proxy{
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, // of httptest's requests
		Header:   "X-User",
		Role:     access.Operate,
	}})
	if err != nil {
		b.Fatal(err)
	}
	return guard.Wrap(console.New(console.Options{
		Backend: backend.Backend{
			Operator: operator,
			Events:   &events.Stream{},
			Activity: activity.New(time.Now),
			Rates:    map[string]int{"shop": 500},
			Kick:     func() {},
			Record:   func(events.Event) {},
			Now:      time.Now,
			Health:   func(context.Context) (string, []string) { return "serving", nil },
			Body:     func(*spool.Task) ([]byte, error) { return []byte("{}"), nil },
		},
		SMTP: func() []net.Addr { return nil },
	}))
}
