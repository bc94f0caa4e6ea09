package relay

import (
	"context"
	"net"

	"heyrelay/internal/config"
	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
)

// notifier tells senders and the operator's webhook, so far as each is configured.
// own are the addresses at which reports would come back as mail.
func notifier(cfg *config.Config, p Parts, own func() []net.Addr) *notify.Notifier {
	o := notify.Options{Store: p.Store, Sink: p.Sink, Now: p.Now, Jitter: p.Jitter, Grace: grace}
	if address, implicit, ok := cfg.Bounces.Server(); ok {
		o.Mailer = &notify.Mailer{
			Reporter: notify.Reporter{Hostname: cfg.Hostname, From: cfg.Bounces.From},
			Server: &smarthost.Server{
				Hostname: cfg.Hostname,
				Address:  address,
				Implicit: implicit,
				User:     cfg.Bounces.User,
				Password: cfg.Bounces.Password.Reveal(),
				Own:      own,
				Dial:     p.Dial,
			},
		}
	}
	if key, ok := cfg.Events.Key(); ok && cfg.Events.URL != "" {
		o.Webhook = &notify.Webhook{
			URL: cfg.Events.URL, Key: key, UserAgent: p.UserAgent, Hostname: cfg.Hostname, Now: p.Now, Transport: p.Webhook,
		}
	}
	return notify.New(o)
}

// announce says what happened, and makes a notice of it.
func (r *Relay) announce(ctx context.Context, e events.Event) {
	if n := notify.Encoder(r.cfg.Events.Kinds)(e); n != nil {
		if err := r.store.AddEvent(ctx, e.Time, n); err != nil {
			r.sink.Record(events.Event{Kind: events.Error, Time: e.Time, QueueID: e.QueueID, Reason: "an event could not be stored for the webhook", Err: err})
		}
	}
	r.sink.Record(e)
}
