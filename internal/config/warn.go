package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"

	"heyrelay/internal/loopback"
)

// warn records what works but is probably not intended.
func (l *loader) warn() {
	l.warnListeners()
	l.warnTLS()
	l.warnUsers()
	l.warnBaseURL()
	l.warnTeams()
	l.warnRoutes()
	l.warnBlobs()
	l.warnConsole()
}

// warnBaseURL warns of a sandbox on another machine, which must not be Heymarket.
func (l *loader) warnBaseURL() {
	h := l.config.Heymarket
	u, err := url.Parse(h.BaseURL)
	if err == nil && u.Scheme == "http" && !loopback.Is(u.Hostname()) {
		l.doc.Warn("heymarket.allow_http", "credentials and mail are sent unencrypted to "+u.Host,
			"use it for a sandbox only")
	}
}

func (l *loader) warnListeners() {
	for i, listener := range l.config.Listeners {
		path := fmt.Sprintf("listeners[%d]", i)
		network, address := listener.Network()
		switch {
		case network == "unix":
		case len(listener.Allow) == 0 && len(l.config.AllUsers()) > 0 && listener.private():
		case len(listener.Allow) == 0:
			l.doc.Warn(path, "no client may send through "+address,
				"add the networks of your applications to "+l.doc.Key(path+".allow"))
		case listener.Allow.all():
			l.doc.Warn(path+".allow", "anyone who reaches "+address+" can send from your inboxes",
				"allow only the networks of your applications")
		case listener.local() && listener.Allow.beyond():
			l.doc.Warn(path+".allow", "only this machine can reach "+address+"; other machines and containers cannot",
				"set "+l.doc.Key(path+".address")+" to an address that they can reach, such as 0.0.0.0:2525")
		}
	}
}

func (l *loader) warnTeams() {
	const documented = 500
	for _, name := range slices.Sorted(maps.Keys(l.config.Teams)) {
		if l.config.Teams[name].Rate > documented {
			l.doc.Warn("teams."+name+".rate", fmt.Sprintf("Heymarket allows %d calls per minute", documented),
				"expect 429 responses unless Heymarket has raised your limit")
		}
		if !slices.ContainsFunc(l.config.Routes, func(r Route) bool { return r.Team == name }) {
			l.doc.Warn("teams."+name, "no route uses team "+name, "add a route, or remove the team")
		}
	}
}

func (l *loader) warnRoutes() {
	catchAll := ""
	for i, r := range l.config.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		l.warnTrust(path, r)
		l.warnLinkBlock(path, r)
		l.warnSmarthost(path, r)
		if r.Shadow.Next != "" {
			l.doc.Warn(path+".shadow", "route "+r.Name+" sends nothing to Heymarket: its mail is passed on to "+r.Shadow.Next,
				"remove "+l.doc.Key(path+".shadow.next")+" to send")
		}
		switch {
		case catchAll != "":
			l.doc.Warn(path, "route "+r.Name+" is never used: "+catchAll+", before it, matches every message", "move it up")
		case r.Match.all():
			catchAll = r.Name
		case r.Match.User == nil && r.Match.Client == nil:
			l.doc.Warn(path+".match", "route "+r.Name+" is selected by addresses that clients can forge",
				"add match.user or match.client if other clients must not use it")
		}
	}
}

// warnSmarthost warns of a smarthost to which nothing new goes.
func (l *loader) warnSmarthost(path string, r Route) {
	if r.Smarthost.Next != "" && r.Attachments != AttachmentsSmarthost {
		l.doc.Warn(path+".smarthost", "route "+r.Name+" sends to its smarthost only what is still pending there",
			"set "+l.doc.Key(path+".attachments")+" to smarthost, or remove the smarthost once nothing is pending")
	}
}

// warnTrust warns of a route that uses the header fields of clients that need no
// password.
func (l *loader) warnTrust(path string, r Route) {
	if !r.TrustHeaders {
		return
	}
	for _, listener := range l.config.Listeners {
		for _, n := range listener.Allow {
			if from, ok := r.Match.unauthenticated(n); ok {
				path += ".trust_headers"
				what := fmt.Sprintf("route %s trusts the X-Heymarket-* header fields of every client in %s, without a password",
					r.Name, from)
				l.doc.Warn(path, what, "require a login (match.user), or remove "+l.doc.Key(path))
				return
			}
		}
	}
}
