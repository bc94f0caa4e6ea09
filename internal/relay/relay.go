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
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/fileserver"
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
	Coming    *atomic.Int64  // is kept at the number of messages that clients have begun; nil for none

	// OpenBlobs opens the store of attachments; default blob.Open.
	OpenBlobs func(url string, o blob.Options) (blob.Store, error)

	// Dial connects to the smarthost; default net.Dialer's DialContext.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// ControlSocket is the path of a unix socket that answers health checks and takes reloads;
	// none if empty.
	ControlSocket string

	// Load loads the configuration again, for a reload; default: there is none to load.
	Load func() (*config.Config, error)
	// InForce is called with each configuration that a reload has put in force.
	InForce func(*config.Config)
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
	if p.OpenBlobs == nil {
		p.OpenBlobs = blob.Open
	}
	if p.Load == nil {
		p.Load = func() (*config.Config, error) { return nil, errors.New("there is no configuration to reload") }
	}
	if p.InForce == nil {
		p.InForce = func(*config.Config) {}
	}
}

// Relay is a configured heyrelay. Make one with New, then call Run, or else Close.
type Relay struct {
	parts     Parts
	store     spool.Store
	sink      events.Sink
	now       func() time.Time
	scheduler *delivery.Scheduler
	notifier  *notify.Notifier
	server    *smtpd.Server
	metrics   *metrics.Metrics
	turns     intake.Turns
	discards  *intake.Discards
	cut       cutCounter

	setup     atomic.Pointer[setup] // in force
	started   *config.Config        // the first that was
	reloading sync.Mutex            // held during a reload, and where the shutdown begins
	stopping  atomic.Bool
	listeners sockets       // of SMTP
	pages     sockets       // of the console, metrics and probes, and of files
	guard     *access.Guard // of the console; nil before its first configuration
	downloads fileserver.Slots
	stored    blobsCheck
	stream    events.Stream
	activity  *activity.Counter

	running sync.WaitGroup // what Run waits for
	stop    context.CancelFunc
	failed  sync.Once
	failure error // of the listener or the store that failed first
}

// New builds a Relay and opens its listeners, so that a port in use is an error
// here. Nothing is served before Run.
func New(cfg *config.Config, p Parts) (*Relay, error) {
	p.setDefaults()
	r := &Relay{
		parts:    p,
		store:    p.Store,
		now:      p.Now,
		started:  cfg,
		turns:    intake.NewTurns(),
		discards: intake.NewDiscards(),
		activity: activity.New(p.Now),
	}
	r.metrics = r.newMetrics()
	r.notifier = r.newNotifier()
	// The stream is last: who hears of an event finds it counted.
	r.sink = events.Sinks{p.Sink, r.notifier, &r.cut, r.metrics, r.activity, &r.stream}
	first, err := r.newSetup(cfg)
	if err != nil {
		return nil, err
	}
	r.setup.Store(first)
	r.scheduler = r.newScheduler()
	r.server = r.newServer()
	r.listeners.listen = (&opener{open: p.Listen}).listen
	r.listeners.serve = r.serveSMTP
	r.pages.listen = (&opener{open: p.Listen}).listen
	r.pages.serve = r.servePages
	if err := r.putInForce(first); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// What lasts from one set-up to the next asks for the one in force.

func (r *Relay) newNotifier() *notify.Notifier {
	return notify.New(notify.Options{
		Setup:  func() *notify.Setup { return r.setup.Load().notify },
		Store:  r.store,
		Sink:   r.parts.Sink,
		Now:    r.now,
		Jitter: r.parts.Jitter,
	})
}

func (r *Relay) newScheduler() *delivery.Scheduler {
	return delivery.New(delivery.Options{
		Setup:      func() *delivery.Setup { return r.setup.Load().delivery },
		Store:      r.store,
		Sink:       r.sink,
		Now:        r.now,
		Jitter:     r.parts.Jitter,
		NewLocalID: r.newLocalID,
	})
}

func (r *Relay) newServer() *smtpd.Server {
	return smtpd.New(smtpd.Options{
		Setup: func() *smtpd.Setup { return r.setup.Load().smtp },
		Now:   r.now,
		Log:   func(e smtpd.Event) { r.setup.Load().intake.RecordSession(e) },
		NewID: func() string { return intake.QueueID(r.now(), r.parts.Random) },

		Transactions: r.parts.Coming,
	})
}

func (r *Relay) newLocalID() string {
	return uuid.Must(uuid.NewRandomFromReader(r.parts.Random)).String()
}

// config is the configuration in force.
func (r *Relay) config() *config.Config { return r.setup.Load().cfg }

// Close closes the listeners of a Relay that is not run; Run closes them itself.
func (r *Relay) Close() error {
	r.listeners.close()
	r.pages.close()
	return nil
}

// PagesAddr returns the address of the listener of metrics and probes; nil without one.
func (r *Relay) PagesAddr() net.Addr { return r.pages.addr(metricsPath) }

// Addrs returns the addresses of the listeners, in the order of the configuration.
func (r *Relay) Addrs() []net.Addr { return r.listeners.addrs() }

// Handle submits a message as the SMTP server does.
func (r *Relay) Handle(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	return r.setup.Load().intake.Handle(ctx, env, raw)
}

// recordError records an error of heyrelay itself or its host.
func (r *Relay) recordError(reason string, err error) {
	r.sink.Record(events.Event{Kind: events.Error, Time: r.now(), Reason: reason, Err: err})
}
