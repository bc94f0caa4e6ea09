// Package relay composes heyrelay out of a configuration and runs it: the SMTP
// server, the intake, the scheduler of deliveries, the notifier, and housekeeping
// (retention, backlog alerts).
package relay

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/intake"
	"heyrelay/internal/metrics"
	"heyrelay/internal/notify"
	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

// Parts are what a Relay is built on. Store, Sink and Random are required; Store,
// Sink and Operator remain the caller's to close. The other fields have defaults.
type Parts struct {
	Store     spool.Store
	Sink      events.Sink
	Random    io.Reader         // for ids; cryptographically secure, safe for concurrent use
	Transport http.RoundTripper // to the API; default heymarket.NewTransport()
	Webhook   http.RoundTripper // to the webhook; default heymarket.NewTransport()
	Now       func() time.Time  // default time.Now
	Jitter    func() float64    // uniform in [0,1), safe for concurrent use; default rand.Float64
	Listen    func(network, address string) (net.Listener, error)
	UserAgent string
	Operator  spool.Operator // of the same spool, for the console; required if that is configured
	Sandbox   string         // URL of the sandbox that plays the API, for the console; "" for none

	// Dial connects to the smarthost; default net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// HealthSocket is the path of a unix socket that answers health checks; none if
	// empty.
	HealthSocket string
}

func (p *Parts) setDefaults() {
	if p.Transport == nil {
		p.Transport = heymarket.NewTransport()
	}
	if p.Webhook == nil {
		p.Webhook = heymarket.NewTransport()
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Jitter == nil {
		p.Jitter = rand.Float64
	}
	if p.Listen == nil {
		p.Listen = net.Listen
	}
}

// Relay is a configured heyrelay. Make one with New, then call Run, or else Close.
type Relay struct {
	cfg       *config.Config
	store     spool.Store
	sink      events.Sink
	now       func() time.Time
	intake    *intake.Handler
	scheduler *delivery.Scheduler
	notifier  *notify.Notifier
	server    *smtpd.Server
	listeners []smtpd.Listener
	metrics   *metrics.Metrics // nil without metrics.address and console.address
	pages     net.Listener     // of metrics and probes; nil without metrics.address
	panel     *panel           // nil without console.address
	stopping  atomic.Bool
	socket    string // Parts.HealthSocket
	cut       cutCounter

	clients     map[string]*heymarket.Client  // by team
	secrets     atomic.Pointer[config.Config] // the configuration that the secrets are from
	password    cached[string]                // of the smarthost
	signingKey  cached[[]byte]                // of the webhook
	certificate *smtpd.Certificate            // nil without TLS
}

// New builds a Relay and opens its listeners, so that a port in use is an error
// here. Nothing is served before Run.
func New(cfg *config.Config, p Parts) (*Relay, error) {
	p.setDefaults()
	r := &Relay{cfg: cfg, store: p.Store, now: p.Now, socket: p.HealthSocket}
	r.secrets.Store(cfg)
	r.password.last = cfg.Bounces.Password.Reveal()
	r.signingKey.last, _ = cfg.Events.Key()
	r.notifier = r.newNotifier(p)
	r.metrics = r.newMetrics(p)
	made, err := r.newPanel(p)
	if err != nil {
		return nil, err
	}
	r.panel = made
	r.sink = r.sinks(p)
	if err := r.build(p); err != nil {
		return nil, err
	}
	if err := errors.Join(r.listen(p.Listen), r.listenPages(p), r.listenConsole(p)); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// sinks returns the receivers of events.
func (r *Relay) sinks(p Parts) events.Sinks {
	all := events.Sinks{p.Sink, r.notifier, &r.cut}
	if r.metrics != nil {
		all = append(all, r.metrics)
	}
	if r.panel != nil {
		all = append(all, r.panel.stream, r.panel.activity)
	}
	return all
}

// Close closes the listeners of a Relay that is not run; Run closes them itself.
func (r *Relay) Close() error {
	var all error
	for _, l := range r.listeners {
		all = errors.Join(all, l.Close())
	}
	r.listeners = nil
	if r.pages != nil {
		all = errors.Join(all, r.pages.Close())
	}
	if r.panel != nil && r.panel.listener != nil {
		all = errors.Join(all, r.panel.listener.Close())
	}
	return all
}

// PagesAddr returns the address of the listener of metrics and probes; nil without one.
func (r *Relay) PagesAddr() net.Addr {
	if r.pages == nil {
		return nil
	}
	return r.pages.Addr()
}

// Addrs returns the addresses of the listeners, in the order of the configuration.
func (r *Relay) Addrs() []net.Addr {
	var all []net.Addr
	for _, l := range r.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Handle submits a message as the SMTP server does.
func (r *Relay) Handle(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	return r.intake.Handle(ctx, env, raw)
}

// recordError records an error of heyrelay itself or its host.
func (r *Relay) recordError(reason string, err error) {
	r.sink.Record(events.Event{Kind: events.Error, Time: r.now(), Reason: reason, Err: err})
}
