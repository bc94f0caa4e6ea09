package relay

import (
	"context"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
)

// notifySetup returns how senders and the webhook are notified, as far as each is
// configured.
func (r *Relay) notifySetup(s *setup) *notify.Setup {
	cfg := s.cfg
	n := &notify.Setup{Grace: drainTime(cfg)}
	if b := cfg.Bounces; b.Smarthost != "" {
		n.Mailer = &notify.Mailer{
			Reporter: notify.Reporter{Hostname: cfg.Hostname, From: b.From},
			Server:   r.mailServer(cfg, "bounces.password", b.Hop()),
		}
	}
	if cfg.Events.URL != "" {
		n.Webhook = &notify.Webhook{
			URL:       cfg.Events.URL,
			Key:       s.signingKey.get,
			UserAgent: r.parts.UserAgent,
			Hostname:  cfg.Hostname,
			Now:       r.now,
			Transport: r.parts.Webhook,
		}
	}
	return n
}

// publish records an event and stores its notice, if the webhook wants it.
func (r *Relay) publish(ctx context.Context, e events.Event) {
	if n := r.setup.Load().encode(e); n != nil {
		if err := r.store.AddEvent(ctx, e.Time, n); err != nil {
			r.recordError("an event for the webhook could not be stored: "+string(e.Kind), err)
		}
	}
	r.sink.Record(e)
}
