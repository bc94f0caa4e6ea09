package intake

import (
	"fmt"

	"heyrelay/internal/config"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
)

// route returns the first route of which every match key matches.
func (p planner) route(env *smtpd.Envelope, h *mimeconv.Header) (*config.Route, error) {
	from := ""
	if len(h.From) > 0 {
		from = h.From[0].Addr
	}
	for i := range p.cfg.Routes {
		r := &p.cfg.Routes[i]
		if r.Match.Matches(env.User, env.Client, env.From, from) {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: client %s, sender <%s>, From <%s>; add a route that matches",
		errNoRoute, client(env), env.From, from)
}
