package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// complete names a route, and its team where there is no choice.
func (r *Route) complete(teams map[string]Team) {
	if r.Name == "" {
		r.Name = "inbox-" + strconv.FormatInt(r.Inbox, 10)
	}
	if r.Team == "" && len(teams) == 1 {
		for name := range teams {
			r.Team = name
		}
	}
}

func (l *loader) validateRoutes() {
	named := map[string]int{}
	for i, r := range l.config.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		if l.given(path+".name") && !l.bad[path+".name"] {
			l.validateName(path+".name", "a route", r.Name)
		}
		if first, ok := named[r.Name]; ok && !l.bad[path+".inbox"] {
			l.add(path+".name", fmt.Sprintf("routes[%d] is called %s already", first, r.Name), "give this one another name")
		} else {
			named[r.Name] = i
		}
		l.validateTeam(path+".team", r)
		l.validateMatch(path+".match", r)
		l.validateRecipients(path, r)
	}
}

// validateTeam checks that a route has a team that exists.
func (l *loader) validateTeam(path string, r Route) {
	names := slices.Sorted(maps.Keys(l.config.Teams))
	list := strings.Join(names, ", ")
	_, exists := l.config.Teams[r.Team]
	switch {
	case exists || len(names) == 0:
	case r.Team == "":
		l.add(path, "route "+r.Name+" has no team", "name one of "+list)
	default:
		advice := "known are " + list
		if near := nearest(r.Team, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		l.add(path, fmt.Sprintf("route %s has a team %q that does not exist", r.Name, r.Team), advice)
	}
}

// validateRecipients checks the keys that recipients: headers needs.
func (l *loader) validateRecipients(path string, r Route) {
	headers := r.Recipients == RecipientsHeaders
	switch {
	case headers && !l.given(path+".relay_mailbox"):
		l.add(path+".relay_mailbox", "route "+r.Name+" takes recipients from headers, but has no relay_mailbox", "write the address that the application puts into its envelopes")
	case !headers && l.given(path+".relay_mailbox"):
		l.add(path+".relay_mailbox", "relay_mailbox has no meaning for route "+r.Name, "write recipients: headers, or leave it out")
	case headers && !isMailbox(r.RelayMailbox):
		l.add(path+".relay_mailbox", fmt.Sprintf("relay_mailbox cannot be %q", r.RelayMailbox), "write one address, such as relay@example.com")
	}
}

// isMailbox reports whether s looks like a bare address.
func isMailbox(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && isHostname(domain) && !strings.ContainsAny(local, " \t<>,;:\"()[]\\*")
}
