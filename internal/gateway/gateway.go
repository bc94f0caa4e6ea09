// Package gateway is the glue: it takes a message from the SMTP side, has it
// converted and threaded, stores it, and answers; and it builds and runs the
// whole out of a configuration.
//
// The way of a message: smtpd hands Handle an envelope and raw bytes. plan.go
// reads the header, finds the route, makes audiences and converts the body; all
// of that is pure. One call of the store makes it durable, finds its
// conversations and queues its requests; only then does Handle answer 250. The
// scheduler is kicked and does the rest.
package gateway

import (
	"context"
	"encoding/base32"
	"encoding/binary"
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
	"heyrelay/internal/notify"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// Parts are what a Gateway is built on. Store and Sink are needed and stay the
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

// Gateway is the running whole. Make one with New, then Run it.
type Gateway struct {
	cfg       *config.Config
	store     spool.Store
	sink      events.Sink
	now       func() time.Time
	planner   planner
	scheduler *delivery.Scheduler
	notifier  *notify.Notifier
	server    *smtpd.Server
	listeners []smtpd.Listener
}

// grace is how long sessions and calls under way may take to end on shutdown.
const grace = 10 * time.Second

// New builds the whole and opens the listeners, so that a port in use is an
// error here. Nothing is served until Run.
func New(cfg *config.Config, p Parts) (*Gateway, error) {
	p.defaults()
	teams, err := clients(cfg, p)
	if err != nil {
		return nil, err
	}
	g := &Gateway{cfg: cfg, store: p.Store, now: p.Now}
	g.notifier = notifier(cfg, p, g.Addrs)
	g.sink = events.Sinks{p.Sink, g.notifier}
	g.planner = planner{cfg: cfg, localID: func() string { return uuid.Must(uuid.NewRandomFromReader(p.Random)).String() }}
	g.scheduler = delivery.New(delivery.Options{
		Store: p.Store, Teams: teams, Route: routes(cfg), Sink: g.sink, Now: p.Now, Jitter: p.Jitter,
		Timeout:      cfg.Heymarket.Timeout.Std(),
		RetryInitial: cfg.Delivery.RetryInitial.Std(), RetryMax: cfg.Delivery.RetryMax.Std(), Expire: cfg.Delivery.Expire.Std(),
		LanePatience: cfg.Delivery.LanePatience.Std(), LocalIDMemory: cfg.Delivery.LocalIDMemory.Std(), HoldMax: cfg.Delivery.HoldMax.Std(), NewLocalID: g.planner.localID,
		Grace: grace, Event: notify.Encoder(cfg.Events.Kinds),
		Reports: cfg.Bounces.Smarthost != "", DelayAfter: cfg.Bounces.Delay.Std(),
	})
	users, err := users(cfg)
	if err != nil {
		return nil, err
	}
	g.server = smtpd.New(smtpd.Options{
		Hostname: cfg.Hostname, Handler: g, Users: users, Limits: limits(cfg.Limits), BareLF: bareLF[cfg.BareLF], DSN: cfg.Bounces.Smarthost != "", Now: p.Now, Log: g.refused,
		NewID: func() string { return queueID(p.Now(), p.Random) },
	})
	return g, g.listen(p.Listen)
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
func (g *Gateway) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	delivering, delivered := context.WithCancel(context.WithoutCancel(ctx))
	defer delivered()

	var serving, scheduling sync.WaitGroup
	scheduling.Go(func() { g.scheduler.Run(delivering) })
	serving.Go(func() { g.notifier.Run(ctx) })
	serving.Go(func() { g.sweep(ctx) })
	serving.Go(func() { g.watch(ctx) })
	failures := make(chan error, len(g.listeners))
	for _, l := range g.listeners {
		serving.Go(func() {
			if err := g.server.Serve(l); err != nil {
				failures <- fmt.Errorf("%s on %s: %w", l.Name, l.Addr(), err)
				stop()
			}
		})
		g.sink.Record(events.Event{Kind: events.Started, Time: g.now(), Reason: "SMTP on " + l.Addr().String()})
	}
	<-ctx.Done()

	g.sink.Record(events.Event{Kind: events.Stopping, Time: g.now(), Reason: "no new messages; what is under way may end"})
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := g.server.Shutdown(limited)
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
func (g *Gateway) Addrs() []net.Addr {
	var all []net.Addr
	for _, l := range g.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Handle implements smtpd.Handler: it answers 250 only when the message is
// stored durably.
func (g *Gateway) Handle(ctx context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	plan, err := g.planner.plan(env, raw)
	if err != nil {
		return g.refusal(env, raw, err)
	}
	receipt, err := g.store.Accept(ctx, plan.Message)
	if err != nil {
		return g.refusal(env, raw, err)
	}
	g.scheduler.Kick()
	g.accepted(context.WithoutCancel(ctx), plan, receipt)
	reply := smtpd.Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as " + receipt.QueueID}
	if plan.Answer > 0 && g.scheduler.Flows(plan.Message.Team, plan.Message.Route) {
		g.answer(ctx, plan, receipt.QueueID, &reply)
	}
	if plan.Message.WeakFingerprint {
		reply.Confirmed = func() { g.heard(ctx, receipt.QueueID) }
	}
	return reply
}

// accepted tells of a message that is stored.
func (g *Gateway) accepted(ctx context.Context, plan *Plan, r spool.Receipt) {
	m := plan.Message
	e := events.Event{
		Kind: events.Accepted, Time: g.now(), QueueID: r.QueueID, Client: m.Client, Sender: m.Sender,
		Route: m.Route, Team: m.Team, Title: m.Title, Size: len(m.Raw),
	}
	for _, q := range m.Requests {
		e.To = append(e.To, delivery.Targets(spool.Task{To: q.To, Cc: q.Cc})...)
	}
	if r.Duplicate {
		e.Kind = events.Duplicate
		g.sink.Record(e)
		return
	}
	g.sink.Record(e)
	if r.SameID {
		g.sink.Record(events.Event{Kind: events.Surprised, Time: e.Time, QueueID: r.QueueID, Reason: "its Message-ID was used before, by a message with other content"})
	}
	if r.Looping {
		e.Kind, e.Reason = events.Held, spool.LoopReason
		g.announce(ctx, e)
	}
	for _, w := range plan.Warned {
		if w.Code == mimeconv.FromReplaced {
			continue // true of every message; it stands with the message
		}
		g.sink.Record(events.Event{Kind: events.Warned, Time: e.Time, QueueID: r.QueueID, Reason: w.Code + ": " + w.Detail})
	}
}

// refusal tells of a message that is refused, and what the client is told.
func (g *Gateway) refusal(env *smtpd.Envelope, raw []byte, cause error) smtpd.Reply {
	reply := refuse(env.QueueID, cause)
	g.sink.Record(events.Event{
		Kind: events.Refused, Time: g.now(), QueueID: env.QueueID, Client: client(env), Sender: env.From, To: env.Rcpt,
		Size: len(raw), Status: reply.Code, Reason: reply.Text, Err: cause,
	})
	return reply
}

// refused tells of what smtpd refused before there was a message.
func (g *Gateway) refused(e smtpd.Event) {
	kind := events.Refused
	if e.Code == 0 || e.Err != nil {
		kind = events.Trouble
	}
	g.sink.Record(events.Event{
		Kind: kind, Time: g.now(), QueueID: e.QueueID, Client: clientName(e.Client), Status: e.Code, Reason: e.Listener + ": " + e.Reason, Err: e.Err,
	})
}

// heard is called when the client surely got its 250.
func (g *Gateway) heard(ctx context.Context, queueID string) {
	if err := g.store.ConfirmReply(ctx, queueID); err != nil {
		g.sink.Record(events.Event{
			Kind: events.Trouble, Time: g.now(), QueueID: queueID, Err: err,
			Reason: "an equal message within ten minutes will be taken for a repeat of this one",
		})
	}
}

// queueID is 16 letters and digits that sort by time: 48 bits of milliseconds,
// 32 of chance.
func queueID(now time.Time, random io.Reader) string {
	var b [10]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		panic("no randomness for ids: " + err.Error()) // crypto/rand never fails
	}
	return base32.HexEncoding.EncodeToString(b[:])
}
