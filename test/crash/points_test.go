package crash

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/relay"
	"heyrelay/internal/sandbox"
	"heyrelay/internal/spool"
	"heyrelay/internal/spool/sqlite"
)

// points are where the relay kills itself, in the order in which a message
// passes them.
var points = []string{
	"before the accept commit", "after the accept commit", "after the 250",
	"after the claim", "after the request was written",
	"after the answer, before it is recorded", "after it is recorded",
}

// many are the points that many messages pass together, and so seldom.
var many = map[string]bool{points[3]: true, points[5]: true, points[6]: true}

// TestMain is the relay where the environment says so, and the tests otherwise.
func TestMain(m *testing.M) {
	if os.Getenv("CRASH_SMTP") == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const relayConfig = `
hostname: relay.example.com
listeners: [{address: %q}]
heymarket: {base_url: %q}
teams: {shop: {api_key: "${KEY}", rate: 600000/min}}
routes: [{inbox: 202, creator_id: 55, %s}]
delivery: {retry_initial: 100ms}
`

// serve runs the relay until SIGTERM, or until it kills itself.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	after, err := strconv.Atoi(os.Getenv("CRASH_AFTER"))
	if err != nil {
		return err
	}
	b := &bomb{point: os.Getenv("CRASH_POINT")}
	b.left.Store(int64(after))
	route, more := "", ""
	if next := os.Getenv("CRASH_NEXT"); next != "" {
		route = fmt.Sprintf("shadow: {next: %q}", "smtp://"+next)
	}
	if host := os.Getenv("CRASH_SMARTHOST"); host != "" {
		route = fmt.Sprintf("attachments: smarthost, smarthost: {next: %q}", "smtp://"+host)
	}
	if folder := os.Getenv("CRASH_BLOBS"); folder != "" {
		route = "attachments: link"
		more = fmt.Sprintf(blobsConfig, "file://"+folder)
	}
	text := fmt.Appendf(nil, relayConfig+more, os.Getenv("CRASH_SMTP"), os.Getenv("CRASH_API"), route)
	cfg, err := config.Parse("crash", text,
		func(string) (string, bool) { return sandbox.DemoAPIKey, true })
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, filepath.Join(os.Getenv("CRASH_DIR"), "spool.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	errorsOnly := &slog.HandlerOptions{Level: slog.LevelError}
	g, err := relay.New(cfg, relay.Parts{
		Store:     bombStore{store, b},
		Transport: bombTransport{heymarket.NewTransport(), b},
		Random:    rand.Reader,
		Sink:      events.Log{Logger: slog.New(slog.NewTextHandler(os.Stderr, errorsOnly))},
		OpenBlobs: func(url string, o blob.Options) (blob.Store, error) {
			s, err := blob.Open(url, o)
			return bombBlobs{s, b}, err
		},
		Listen: func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			return bombListener{l, b}, err
		},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return bombNext{c, b}, err
		},
	})
	if err != nil {
		return err
	}
	if err := g.Run(ctx); err != nil {
		return err
	}
	return store.Close()
}

// bomb kills the process when its point was passed often enough.
type bomb struct {
	point string
	left  atomic.Int64
}

func (b *bomb) pass(point string) {
	if point == b.point && b.left.Add(-1) == 0 {
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill() // SIGKILL
		}
		<-make(chan int) // the signal is on its way
	}
}

type bombStore struct {
	spool.Store
	b *bomb
}

func (s bombStore) Accept(ctx context.Context, m *spool.Message) (spool.Receipt, error) {
	s.b.pass(points[0])
	r, err := s.Store.Accept(ctx, m)
	s.b.pass(points[1])
	return r, err
}

func (s bombStore) Claim(
	ctx context.Context, now time.Time, lease time.Duration, rooms ...spool.Capacity,
) ([]*spool.Task, time.Time, error) {
	tasks, next, err := s.Store.Claim(ctx, now, lease, rooms...)
	if len(tasks) > 0 {
		s.b.pass(points[3])
	}
	return tasks, next, err
}

func (s bombStore) Handed() ([]*spool.Task, bool) {
	tasks, more := s.Store.Handed()
	if len(tasks) > 0 {
		s.b.pass(points[3])
	}
	return tasks, more
}

func (s bombStore) Turn(
	ctx context.Context, now time.Time, outcomes []spool.Outcome, lease time.Duration, rooms ...spool.Capacity,
) (spool.Turned, error) {
	if len(outcomes) > 0 {
		s.b.pass(points[5])
	}
	t, err := s.Store.Turn(ctx, now, outcomes, lease, rooms...)
	if len(outcomes) > 0 {
		s.b.pass(points[6])
	}
	if len(t.Tasks) > 0 {
		s.b.pass(points[3])
	}
	return t, err
}

func (s bombStore) Finish(ctx context.Context, now time.Time, outcomes ...spool.Outcome) ([]spool.Finished, error) {
	s.b.pass(points[5])
	f, err := s.Store.Finish(ctx, now, outcomes...)
	s.b.pass(points[6])
	return f, err
}

type bombTransport struct {
	http.RoundTripper
	b *bomb
}

func (t bombTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { t.b.pass(points[4]) }}
	return t.RoundTripper.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
}

type bombListener struct {
	net.Listener
	b *bomb
}

func (l bombListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return bombConn{c, l.b}, err
}

type bombConn struct {
	net.Conn
	b *bomb
}

func (c bombConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if strings.HasPrefix(string(p), "250 2.0.0 Ok: queued") || strings.HasPrefix(string(p), taken) {
		c.b.pass(points[2])
	}
	return n, err
}
