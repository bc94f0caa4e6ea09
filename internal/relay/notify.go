package relay

import (
	"context"

	"heyrelay/internal/events"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
)

// notifySetup returns how senders and the webhook are notified, as far as each is
// configured. The server learns of our own addresses because reports would come back
// from there as mail.
func (r *Relay) notifySetup(s *setup) *notify.Setup {
	cfg := s.cfg
	n := &notify.Setup{Grace: drainTime(cfg)}
	if address, implicit, ok := cfg.Bounces.Server(); ok {
		n.Mailer = &notify.Mailer{
			Reporter: notify.Reporter{Hostname: cfg.Hostname, From: cfg.Bounces.From},
			Server: &smarthost.Server{
				Hostname: cfg.Hostname,
				Address:  address,
				Implicit: implicit,
				User:     cfg.Bounces.User,
				Password: s.password.get,
				Own:      r.Addrs,
				Dial:     r.parts.Dial,
			},
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
