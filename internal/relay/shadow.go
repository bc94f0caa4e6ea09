package relay

import (
	"slices"

	"heyrelay/internal/config"
	"heyrelay/internal/smarthost"
)

// nextHop returns the mail server to which a route passes its mail on.
func (r *Relay) nextHop(cfg *config.Config, route config.Route) *smarthost.Server {
	address, implicit, _ := route.Shadow.Server()
	return &smarthost.Server{
		Hostname: cfg.Hostname,
		Address:  address,
		Implicit: implicit,
		User:     route.Shadow.User,
		Password: func() string { return r.shadowPassword(route) },
		Own:      r.Addrs,
		Dial:     r.parts.Dial,
	}
}

// shadowPassword returns the password for a route's next hop as its file has it now, or
// the last one if it cannot be read.
func (r *Relay) shadowPassword(route config.Route) string {
	now, err := route.Shadow.Password.Reread()
	if err != nil {
		r.recordError("shadow.password of route "+route.Name+" cannot be read again, the previous one remains in use", err)
		return route.Shadow.Password.Reveal()
	}
	return now.Reveal()
}

// offersDSN reports whether requests for delivery reports (RFC 3461) are met: by us, or by
// the next hop of every route.
func offersDSN(cfg *config.Config) bool {
	live := func(r config.Route) bool { return r.Shadow.Next == "" }
	return cfg.Bounces.Smarthost != "" || !slices.ContainsFunc(cfg.Routes, live)
}
