package relay

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"time"

	"heyrelay/internal/activity"
	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/delivery"
	"heyrelay/internal/events"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/intake"
	"heyrelay/internal/metrics"
	"heyrelay/internal/notify"
	"heyrelay/internal/smarthost"
	"heyrelay/internal/spool"
	"heyrelay/smtpd"
)

// setup is a configuration that is ready for use: all that depends on it. It does not change. A
// reload makes another and puts it in force by one atomic pointer; what has begun with the one
// before it ends with that.
type setup struct {
	cfg      *config.Config
	clients  map[string]*heymarket.Client // by team
	blobs    blob.Store                   // where files are stored; nil without one, as are links and files
	links    *blob.Links                  // to the files
	files    *intake.Files                // for new messages
	intake   *intake.Handler
	smtp     *smtpd.Setup
	delivery *delivery.Setup
	notify   *notify.Setup
	encode   func(events.Event) []byte // the notice of an event for the webhook, nil for none
	smtpAt   []endpoint
	pages    map[string]page // by the key of their endpoints
	pagesAt  []endpoint

	nextHops   map[string]*smarthost.Server // of shadows, by route
	smarthosts map[string]*smarthost.Server // for what the API cannot carry, by route
	signingKey *cached[[]byte]              // of the webhook
}

// newSetup makes a configuration ready. It opens no listener.
func (r *Relay) newSetup(cfg *config.Config) (*setup, error) {
	s := &setup{
		cfg:        cfg,
		encode:     notify.Encoder(cfg.Events.Kinds),
		nextHops:   r.nextHops(cfg),
		smarthosts: r.smarthosts(cfg),
		signingKey: r.signingKey(cfg.Events),
	}
	secure, err := r.tlsConfig(cfg.TLS)
	if err != nil {
		return nil, err
	}
	s.clients, err = r.connect(cfg)
	if err != nil {
		return nil, err
	}
	if err := r.openBlobs(s); err != nil {
		return nil, err
	}
	s.intake = intake.New(intake.Options{
		Config:     cfg,
		Store:      r.parts.Store,
		Sink:       r.sink,
		Now:        r.parts.Now,
		NewLocalID: r.newLocalID,
		Kick:       func() { r.scheduler.Accepted() },
		CanSend:    r.canSend,
		Publish:    r.publish,
		Targets:    heymarket.Targets,
		Next:       s.nextHops,
		Turns:      r.turns,
		Files:      s.files,

		KickReports: func() { r.notifier.Kick() },
	})
	s.smtpAt, s.smtp = r.smtpSetup(s, secure)
	s.delivery = deliverySetup(s)
	s.notify = r.notifySetup(s)
	if err := r.addPages(s, secure); err != nil {
		return nil, err
	}
	return s, nil
}

func (r *Relay) smtpSetup(s *setup, secure *tls.Config) ([]endpoint, *smtpd.Setup) {
	at, access := listeners(s.cfg, secure)
	return at, smtpd.NewSetup(smtpd.Settings{
		Hostname:  s.cfg.Hostname,
		Handler:   s.intake,
		Users:     users(s.cfg),
		Limits:    limits(s.cfg.Limits),
		BareLF:    bareLF[s.cfg.BareLF],
		DSN:       offersDSN(s.cfg),
		Relay:     s.intake.Relay,
		Alias:     s.cfg.Recipient,
		Listeners: access,
	})
}

func deliverySetup(s *setup) *delivery.Setup {
	d := s.cfg.Delivery
	return &delivery.Setup{
		Teams:         teams(s),
		Routes:        routes(s.cfg),
		Bodies:        int64(s.cfg.Limits.InFlight) / 4,
		Timeout:       s.cfg.Heymarket.Timeout.Std(),
		RetryInitial:  d.RetryInitial.Std(),
		RetryMax:      d.RetryMax.Std(),
		Expire:        d.Expire.Std(),
		LanePatience:  d.LanePatience.Std(),
		LocalIDMemory: d.LocalIDMemory.Std(),
		HoldMax:       d.HoldMax.Std(),
		Grace:         drainTime(s.cfg),
		Event:         s.encode,
		Reports:       s.cfg.Bounces.Smarthost != "",
		DelayAfter:    s.cfg.Bounces.Delay.Std(),
	}
}

// connect makes the API client of each team, all on one transport.
func (r *Relay) connect(cfg *config.Config) (map[string]*heymarket.Client, error) {
	all := map[string]*heymarket.Client{}
	for name, team := range cfg.Teams {
		parts := r.parts
		parts.Transport = counted{parts.Transport, name, r.metrics, r.activity}
		c, err := newClient(cfg, name, parts, r.credentialSource(name, team))
		if err != nil {
			return nil, err
		}
		all[name] = c
	}
	return all, nil
}

// counted counts the calls of a team.
type counted struct {
	http.RoundTripper
	team     string
	metrics  *metrics.Metrics
	activity *activity.Counter
}

// RoundTrip implements http.RoundTripper.
func (c counted) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.RoundTripper.RoundTrip(req)
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	c.metrics.Call(c.team, status, time.Since(began))
	c.activity.Call(c.team)
	return resp, err
}

func teams(s *setup) map[string]delivery.Team {
	all := map[string]delivery.Team{}
	for name, t := range s.cfg.Teams {
		all[name] = delivery.Team{
			Client:       s.clients[name],
			Rate:         int(t.Rate),
			Concurrency:  t.Concurrency,
			FailUnqueued: t.QueuedFalse == config.QueuedFalseFail,
		}
	}
	for route, server := range s.smarthosts {
		all[spool.SmarthostTeam(route)] = delivery.Team{
			Server:      server,
			Rate:        smarthostRate,
			Concurrency: smarthostConnections,
		}
	}
	return all
}

const (
	smarthostConnections = 4         // at once, each with a message in memory
	smarthostRate        = 1_000_000 // transactions a minute: none is too many
)

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

// routes returns where the mail of each route goes, by its name.
func routes(cfg *config.Config) map[string]delivery.Route {
	all := map[string]delivery.Route{}
	for _, r := range cfg.Routes {
		all[r.Name] = delivery.Route{Team: r.Team, Inbox: r.Inbox, Creator: r.CreatorID, Expire: r.Expire.Std()}
	}
	return all
}

// rates are the calls a minute that each team may make.
func rates(cfg *config.Config) map[string]int {
	all := map[string]int{}
	for name, t := range cfg.Teams {
		all[name] = int(t.Rate)
	}
	return all
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
