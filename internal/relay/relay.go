// Package relay composes the whole out of a configuration and runs it: listeners,
// intake, scheduler, notifier, and the housekeeping beside them. It is the only
// glue; what becomes of one message is for internal/intake.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/intake"
	"heyrelay/internal/notify"
	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

// Parts are what a Relay is built on. Store and Sink are needed and stay the
// caller's to close; the rest has defaults.
type Parts struct {
	Store     spool.Store
	Sink      events.Sink
	Transport http.RoundTripper // heymarket.NewTransport()
	Now       func() time.Time  // time.Now
	Random    io.Reader         // for ids; must be good and safe for many goroutines; crypto/rand
	Jitter    func() float64    // uniform in [0,1), for many goroutines; rand.Float64
	Listen    func(network, address string) (net.Listener, error)
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // to the smarthost; net.Dialer's
	Webhook   http.RoundTripper                                                    // for events; like Transport's default
	UserAgent string
}

// Relay is the running whole. Make one with New, then Run it.
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
}

// grace is how long sessions and calls under way may take to end on shutdown.
const grace = 10 * time.Second

// New builds the whole and opens the listeners, so that a port in use is an
// error here. Nothing is served until Run.
func New(cfg *config.Config, p Parts) (*Relay, error) {
	p.defaults()
	teams, err := clients(cfg, p)
	if err != nil {
		return nil, err
	}
	r := &Relay{cfg: cfg, store: p.Store, now: p.Now}
	r.notifier = notifier(cfg, p, r.Addrs)
	r.sink = events.Sinks{p.Sink, r.notifier}
	newLocalID := func() string { return uuid.Must(uuid.NewRandomFromReader(p.Random)).String() }
	r.scheduler = delivery.New(delivery.Options{
		Store: p.Store, Teams: teams, Route: routes(cfg), Sink: r.sink, Now: p.Now, Jitter: p.Jitter,
		Timeout:      cfg.Heymarket.Timeout.Std(),
		RetryInitial: cfg.Delivery.RetryInitial.Std(), RetryMax: cfg.Delivery.RetryMax.Std(), Expire: cfg.Delivery.Expire.Std(),
		LanePatience: cfg.Delivery.LanePatience.Std(), LocalIDMemory: cfg.Delivery.LocalIDMemory.Std(), HoldMax: cfg.Delivery.HoldMax.Std(), NewLocalID: newLocalID,
		Grace: grace, Event: notify.Encoder(cfg.Events.Kinds),
		Reports: cfg.Bounces.Smarthost != "", DelayAfter: cfg.Bounces.Delay.Std(),
	})
	r.intake = intake.New(intake.Options{
		Config: cfg, Store: p.Store, Sink: r.sink, Now: p.Now, NewLocalID: newLocalID,
		Kick: r.scheduler.Kick, Flows: r.scheduler.Flows, Announce: r.announce, Targets: heymarket.Targets,
	})
	r.server = smtpd.New(smtpd.Options{
		Hostname: cfg.Hostname, Handler: r.intake, Users: users(cfg), Limits: limits(cfg.Limits), BareLF: bareLF[cfg.BareLF],
		DSN: cfg.Bounces.Smarthost != "", Now: p.Now, Log: r.intake.Refused,
		NewID: func() string { return intake.QueueID(p.Now(), p.Random) },
	})
	return r, r.listen(p.Listen)
}

func (p *Parts) defaults() {
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

// Run serves until ctx ends or a listener fails. Then no transaction begins any
// more, those under way may end, calls of the API likewise, and all is written
// down before it returns.
func (r *Relay) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	delivering, delivered := context.WithCancel(context.WithoutCancel(ctx))
	defer delivered()

	var serving, scheduling sync.WaitGroup
	scheduling.Go(func() { r.scheduler.Run(delivering) })
	serving.Go(func() { r.notifier.Run(ctx) })
	serving.Go(func() { r.sweep(ctx) })
	serving.Go(func() { r.watch(ctx) })
	failures := make(chan error, len(r.listeners))
	for _, l := range r.listeners {
		serving.Go(func() {
			if err := r.server.Serve(l); err != nil {
				failures <- fmt.Errorf("%s on %s: %w", l.Name, l.Addr(), err)
				stop()
			}
		})
		r.sink.Record(events.Event{Kind: events.Listening, Time: r.now(), Address: l.Addr().String()})
	}
	<-ctx.Done()

	r.sink.Record(events.Event{Kind: events.Stopping, Time: r.now(), Reason: "no new messages; what is under way may end"})
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := r.server.Shutdown(limited)
	serving.Wait()
	delivered()
	scheduling.Wait()
	close(failures)
	for f := range failures {
		err = errors.Join(f, err)
	}
	return err
}

// Addrs are the listeners' addresses, in the order of the configuration.
func (r *Relay) Addrs() []net.Addr {
	var all []net.Addr
	for _, l := range r.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Handle hands over a message as the SMTP server does.
func (r *Relay) Handle(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	return r.intake.Handle(ctx, env, raw)
}
