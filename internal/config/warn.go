package config

import (
	"fmt"
	"maps"
	"slices"
)

// warn notes what works and is probably not meant.
func (l *loader) warn() {
	l.warnListeners()
	l.warnTLS()
	l.warnUsers()
	l.warnTeams()
	l.warnRoutes()
}

func (l *loader) warnListeners() {
	for i, listener := range l.config.Listeners {
		path := fmt.Sprintf("listeners[%d]", i)
		network, address := listener.Network()
		switch {
		case network == "unix":
		case len(listener.Allow) == 0 && len(l.config.AllUsers()) > 0 && listener.private():
		case len(listener.Allow) == 0:
			l.advise(path, "nobody is served on "+address, "add the networks of your applications to "+path+".allow")
		case listener.Allow.all():
			l.advise(path+".allow", "everybody who reaches "+address+" can send as your inboxes", "allow the networks of your applications alone")
		}
	}
}

func (l *loader) warnTeams() {
	const documented = 500
	for _, name := range slices.Sorted(maps.Keys(l.config.Teams)) {
		if l.config.Teams[name].Rate > documented {
			l.advise("teams."+name+".rate", fmt.Sprintf("Heymarket documents %d calls a minute", documented), "more are answered 429, unless Heymarket gave you more")
		}
		if !slices.ContainsFunc(l.config.Routes, func(r Route) bool { return r.Team == name }) {
			l.advise("teams."+name, "no route uses team "+name, "add a route, or take the team out")
		}
	}
}

func (l *loader) warnRoutes() {
	catchAll := ""
	for i, r := range l.config.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		l.warnTrust(path, r)
		switch {
		case catchAll != "":
			l.advise(path, "route "+r.Name+" is never reached: "+catchAll+" before it matches everything", "put it first")
		case r.Match.all():
			catchAll = r.Name
		case r.Match.User == nil && r.Match.Client == nil:
			l.advise(path+".match", "route "+r.Name+" is chosen by what the client claims, which can be forged", "add match.user or match.client where other clients must not use it")
		}
	}
}

// warnTrust notes a route that obeys the headers of clients that need no password.
func (l *loader) warnTrust(path string, r Route) {
	if !r.TrustHeaders {
		return
	}
	for _, listener := range l.config.Listeners {
		for _, n := range listener.Allow {
			if from, ok := r.Match.strangers(n); ok {
				l.advise(path+".trust_headers", fmt.Sprintf("route %s obeys the X-Heymarket-* headers of every client in %s, without a password", r.Name, from),
					"add match.user, or leave trust_headers out")
				return
			}
		}
	}
}
