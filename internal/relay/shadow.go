package relay

import (
	"slices"

	"heyrelay/internal/config"
	"heyrelay/internal/smarthost"
)

// nextHop returns the mail server to which a route passes its mail on.
func (r *Relay) nextHop(s *setup, route config.Route) *smarthost.Server {
	address, implicit, _ := route.Shadow.Server()
	return &smarthost.Server{
		Hostname: s.cfg.Hostname,
		Address:  address,
		Implicit: implicit,
		User:     route.Shadow.User,
		Password: s.shadowPasswords[route.Name].get,
		Own:      r.Addrs,
		Dial:     r.parts.Dial,
	}
}

// shadowPasswords returns the passwords for the next hops, by route.
func (r *Relay) shadowPasswords(cfg *config.Config) map[string]*cached[string] {
	all := map[string]*cached[string]{}
	for _, route := range cfg.Routes {
		all[route.Name] = r.password("shadow.password of route "+route.Name, route.Shadow.Password)
	}
	return all
}

// offersDSN reports whether requests for delivery reports (RFC 3461) are met: by us, or by
// the next hop of every route.
func offersDSN(cfg *config.Config) bool {
	live := func(r config.Route) bool { return r.Shadow.Next == "" }
	return cfg.Bounces.Smarthost != "" || !slices.ContainsFunc(cfg.Routes, live)
}
