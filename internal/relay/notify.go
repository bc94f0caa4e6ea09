package relay

import (
	"context"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
)

// newNotifier makes the notifier of senders and of the webhook, as far as each is
// configured. The server learns of our own addresses because reports would come back
// from there as mail.
func (r *Relay) newNotifier(p Parts) *notify.Notifier {
	cfg := r.cfg
	o := notify.Options{Store: p.Store, Sink: p.Sink, Now: p.Now, Jitter: p.Jitter, Grace: drainTime(cfg)}
	if address, implicit, ok := cfg.Bounces.Server(); ok {
		o.Mailer = &notify.Mailer{
			Reporter: notify.Reporter{Hostname: cfg.Hostname, From: cfg.Bounces.From},
			Server: &smarthost.Server{
				Hostname: cfg.Hostname,
				Address:  address,
				Implicit: implicit,
				User:     cfg.Bounces.User,
				Password: r.smarthostPassword,
				Own:      r.Addrs,
				Dial:     p.Dial,
			},
		}
	}
	if cfg.Events.URL != "" {
		o.Webhook = &notify.Webhook{
			URL:       cfg.Events.URL,
			Key:       r.webhookKey,
			UserAgent: p.UserAgent,
			Hostname:  cfg.Hostname,
			Now:       p.Now,
			Transport: p.Webhook,
		}
	}
	return notify.New(o)
}

// publish records an event and stores its notice, if the webhook wants it.
func (r *Relay) publish(ctx context.Context, e events.Event) {
	if n := notify.Encoder(r.cfg.Events.Kinds)(e); n != nil {
		if err := r.store.AddEvent(ctx, e.Time, n); err != nil {
			r.recordError("an event for the webhook could not be stored: "+string(e.Kind), err)
		}
	}
	r.sink.Record(e)
}
