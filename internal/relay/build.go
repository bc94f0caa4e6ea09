package relay

import (
	"fmt"

	"github.com/google/uuid"

	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/intake"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
	"heyrelay/smtpd"
)

// build makes scheduler, intake and server.
func (r *Relay) build(p Parts) error {
	if err := r.connect(p); err != nil {
		return err
	}
	newLocalID := func() string { return uuid.Must(uuid.NewRandomFromReader(p.Random)).String() }
	r.scheduler = delivery.New(r.deliveryOptions(p, newLocalID))
	r.intake = intake.New(intake.Options{
		Config:     r.cfg,
		Store:      p.Store,
		Sink:       r.sink,
		Now:        p.Now,
		NewLocalID: newLocalID,
		Kick:       r.scheduler.Kick,
		CanSend:    r.canSend,
		Publish:    r.publish,
		Targets:    heymarket.Targets,
		Next:       func(route config.Route) *smarthost.Server { return r.nextHop(route, p) },
	})
	r.server = smtpd.New(smtpd.Options{
		Hostname: r.cfg.Hostname,
		Handler:  r.intake,
		Users:    users(r.cfg),
		Limits:   limits(r.cfg.Limits),
		BareLF:   bareLF[r.cfg.BareLF],
		DSN:      offersDSN(r.cfg),
		Relay:    r.intake.Relay,
		Alias:    r.cfg.Recipient,
		Now:      p.Now,
		Log:      r.intake.RecordSession,
		NewID:    func() string { return intake.QueueID(p.Now(), p.Random) },
	})
	return nil
}

func (r *Relay) deliveryOptions(p Parts, newLocalID func() string) delivery.Options {
	d := r.cfg.Delivery
	return delivery.Options{
		Store:         p.Store,
		Teams:         r.teams(),
		Route:         routes(r.cfg),
		Sink:          r.sink,
		Now:           p.Now,
		Jitter:        p.Jitter,
		Timeout:       r.cfg.Heymarket.Timeout.Std(),
		RetryInitial:  d.RetryInitial.Std(),
		RetryMax:      d.RetryMax.Std(),
		Expire:        d.Expire.Std(),
		LanePatience:  d.LanePatience.Std(),
		LocalIDMemory: d.LocalIDMemory.Std(),
		HoldMax:       d.HoldMax.Std(),
		NewLocalID:    newLocalID,
		Grace:         drainTime(r.cfg),
		Event:         notify.Encoder(r.cfg.Events.Kinds),
		Reports:       r.cfg.Bounces.Smarthost != "",
		DelayAfter:    r.cfg.Bounces.Delay.Std(),
	}
}

// connect makes the API client of each team, all on one transport.
func (r *Relay) connect(p Parts) error {
	r.clients = map[string]*heymarket.Client{}
	for name := range r.cfg.Teams {
		c, err := newClient(r.cfg, name, p, r.credentialSource(name))
		if err != nil {
			return err
		}
		r.clients[name] = c
	}
	return nil
}

func (r *Relay) teams() map[string]delivery.Team {
	all := map[string]delivery.Team{}
	for name, t := range r.cfg.Teams {
		all[name] = delivery.Team{
			Client:       r.clients[name],
			Rate:         int(t.Rate),
			Concurrency:  t.Concurrency,
			FailUnqueued: t.QueuedFalse == config.QueuedFalseFail,
		}
	}
	return all
}

// Client makes the API client of one team, with the credentials of cfg.
func Client(cfg *config.Config, team string, p Parts) (*heymarket.Client, error) {
	p.setDefaults()
	return newClient(cfg, team, p, nil)
}

// source returns the credentials of a team as they are now.
type source func() (heymarket.Credentials, error)

func newClient(cfg *config.Config, team string, p Parts, current source) (*heymarket.Client, error) {
	first := credentials(cfg.Teams[team])
	c, err := heymarket.New(heymarket.Options{
		BaseURL:   cfg.Heymarket.BaseURL,
		AllowHTTP: cfg.Heymarket.AllowHTTP,
		Timeout:   cfg.Heymarket.Timeout.Std(),
		Secrets:   first.Secrets,
		APIKey:    first.APIKey,
		Source:    current,
		Transport: p.Transport,
		Now:       p.Now,
		UserAgent: p.UserAgent,
	})
	if err != nil {
		return nil, fmt.Errorf("team %s: %w", team, err)
	}
	return c, nil
}

// routes returns a function that finds a route by its name; it is called at each
// attempt.
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
		MessageSize:           int64(l.MessageSize),
		Recipients:            l.Recipients,
		InFlight:              int64(l.InFlight),
		Connections:           l.Connections,
		ConnectionsPerAddress: l.ConnectionsPerAddress,
		Greeting:              l.Greeting.Std(),
		Command:               l.Command.Std(),
		IdleTotal:             l.IdleTotal.Std(),
		DataIdle:              l.DataIdle.Std(),
		DataTotal:             l.DataTotal.Std(),
		MessagesPerMinute:     l.MessagesPerMinute,
		RecipientsPerMinute:   l.RecipientsPerMinute,
		Reply:                 l.Reply.Std(),
		Errors:                l.Errors,
		AuthFailures:          l.AuthFailures,
		AuthBan:               l.AuthBan.Std(),
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
