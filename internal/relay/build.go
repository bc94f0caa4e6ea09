package relay

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/smtpd"
)

// clients makes one API client for each team, all on one transport.
func clients(cfg *config.Config, p Parts) (map[string]delivery.Team, error) {
	teams := map[string]delivery.Team{}
	for name, t := range cfg.Teams {
		c, err := Client(cfg, name, p)
		if err != nil {
			return nil, err
		}
		teams[name] = delivery.Team{
			Client: c, Rate: int(t.Rate), Concurrency: t.Concurrency, FailUnqueued: t.QueuedFalse == config.QueuedFalseFail,
		}
	}
	return teams, nil
}

// Client makes the API client of one team.
func Client(cfg *config.Config, team string, p Parts) (*heymarket.Client, error) {
	p.defaults()
	t := cfg.Teams[team]
	o := heymarket.Options{
		BaseURL: cfg.Heymarket.BaseURL, Timeout: cfg.Heymarket.Timeout.Std(),
		APIKey: t.APIKey.Reveal(), Transport: p.Transport, Now: p.Now, UserAgent: p.UserAgent,
	}
	for _, s := range t.Secrets {
		o.Secrets = append(o.Secrets, heymarket.Secret{ID: s.ID, Key: s.Key.Reveal()})
	}
	c, err := heymarket.New(o)
	if err != nil {
		return nil, fmt.Errorf("team %s: %w", team, err)
	}
	return c, nil
}

// routes finds a route by its name at each attempt.
func routes(cfg *config.Config) func(string) (delivery.Route, bool) {
	all := map[string]delivery.Route{}
	for _, r := range cfg.Routes {
		all[r.Name] = delivery.Route{Team: r.Team, Inbox: r.Inbox, Creator: r.CreatorID}
	}
	return func(name string) (delivery.Route, bool) {
		r, known := all[name]
		return r, known
	}
}

func limits(l config.Limits) smtpd.Limits {
	return smtpd.Limits{
		MessageSize: int64(l.MessageSize), Recipients: l.Recipients, InFlight: int64(l.InFlight),
		Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress,
		Greeting: l.Greeting.Std(), Command: l.Command.Std(), DataIdle: l.DataIdle.Std(), DataTotal: l.DataTotal.Std(),
		MessagesPerMinute: l.MessagesPerMinute, RecipientsPerMinute: l.RecipientsPerMinute,
		Reply: l.Reply.Std(), Errors: l.Errors, AuthFailures: l.AuthFailures, AuthBan: l.AuthBan.Std(),
	}
}

// users returns the clients that may log in.
func users(cfg *config.Config) []smtpd.User {
	var all []smtpd.User
	for _, u := range cfg.AllUsers() {
		user := smtpd.User{Name: u.Name, Password: u.Hash}
		if u.Senders != nil {
			user.Senders = u.Senders.Match
		}
		all = append(all, user)
	}
	return all
}

var bareLF = map[string]smtpd.BareLF{config.BareLFRepair: smtpd.Repair, config.BareLFRefuse: smtpd.Refuse}

// listen opens all listeners, or none.
func (r *Relay) listen(open func(network, address string) (net.Listener, error)) error {
	sockets := opener{open: open}
	secure, err := r.tls()
	if err != nil {
		return err
	}
	for i, l := range r.cfg.Listeners {
		opened, err := sockets.listen(l.Network())
		if err != nil {
			return errors.Join(fmt.Errorf("listeners[%d]: %w%s", i, err, hint(err)), r.Close())
		}
		listener := smtpd.Listener{Listener: opened, Name: fmt.Sprintf("listeners[%d]", i), Allow: l.Allow.Prefixes()}
		if l.TLS != config.TLSNone {
			listener.TLS, listener.Implicit = secure, l.TLS == config.TLSImplicit
		}
		r.listeners = append(r.listeners, listener)
	}
	return nil
}

// hint says what to do about a socket that does not open.
func hint(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "; choose another address or stop what uses it"
	}
	return ""
}

// tls is what listeners with TLS show their clients; nil where there is none.
func (r *Relay) tls() (*tls.Config, error) {
	t := r.cfg.TLS
	if t.Certificate == "" {
		return nil, nil
	}
	certificate, err := smtpd.LoadCertificate(t.Certificate, t.Key, func(err error) {
		r.sink.Record(events.Event{Kind: events.Error, Time: r.now(), Reason: "the certificate was not renewed, the last one is served", Err: err})
	})
	if err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: certificate.Get, MinVersion: t.Version(), CipherSuites: t.CipherSuites()}, nil
}

// Close closes the listeners of a Relay that is not run. Run closes them itself.
func (r *Relay) Close() error {
	var all error
	for _, l := range r.listeners {
		all = errors.Join(all, l.Close())
	}
	r.listeners = nil
	return all
}
