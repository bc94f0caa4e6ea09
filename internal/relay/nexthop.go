package relay

import (
	"slices"

	"heyrelay/internal/config"
	"heyrelay/internal/smarthost"
)

// MailServer returns a mail server that mail is handed to.
func MailServer(cfg *config.Config, hop config.NextHop) *smarthost.Server {
	address, implicit, _ := hop.Server()
	return &smarthost.Server{
		Hostname: cfg.Hostname,
		Address:  address,
		Implicit: implicit,
		User:     hop.User,
		Password: hop.Password.Reveal,
	}
}

// mailServer returns a mail server that reads its password again, by the key of its section. It learns
// of our own addresses because mail would come back from there.
func (r *Relay) mailServer(cfg *config.Config, key string, hop config.NextHop) *smarthost.Server {
	server := MailServer(cfg, hop)
	server.Password = r.password(key, hop.Password).get
	server.Own = r.Addrs
	server.Dial = r.parts.Dial
	return server
}

// nextHops returns the mail servers to which routes pass their mail on, by route.
func (r *Relay) nextHops(cfg *config.Config) map[string]*smarthost.Server {
	return r.mailServers(cfg, "shadow", func(route config.Route) config.NextHop { return route.Shadow })
}

// smarthosts returns the mail servers for what the API cannot carry, by route.
func (r *Relay) smarthosts(cfg *config.Config) map[string]*smarthost.Server {
	return r.mailServers(cfg, "smarthost", func(route config.Route) config.NextHop { return route.Smarthost })
}

// mailServers returns the mail servers of routes that have one in a section, by route.
func (r *Relay) mailServers(
	cfg *config.Config, section string, of func(config.Route) config.NextHop,
) map[string]*smarthost.Server {
	all := map[string]*smarthost.Server{}
	for _, route := range cfg.Routes {
		if hop := of(route); hop.Next != "" {
			all[route.Name] = r.mailServer(cfg, section+".password of route "+route.Name, hop)
		}
	}
	return all
}

// offersDSN reports whether requests for delivery reports (RFC 3461) are met: by us, or by
// the next hop of every route.
func offersDSN(cfg *config.Config) bool {
	live := func(r config.Route) bool { return r.Shadow.Next == "" }
	return cfg.Bounces.Smarthost != "" || !slices.ContainsFunc(cfg.Routes, live)
}
