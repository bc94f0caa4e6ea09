package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"heyrelay/internal/strictyaml"
)

// completeRoutes sets the names of routes, and their teams if there is only one.
func (c *Config) completeRoutes() {
	taken := map[string]bool{}
	for _, r := range c.Routes {
		taken[r.Name] = true
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		if r.Name == "" {
			r.Name = freeName("inbox-"+strconv.FormatInt(r.Inbox, 10), taken)
		}
		if r.Team == "" && len(c.Teams) == 1 {
			for name := range c.Teams {
				r.Team = name
			}
		}
	}
}

// freeName returns name, or name-2, name-3 and so on if it is taken, and marks it as
// taken.
func freeName(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	taken[free] = true
	return free
}

func (l *loader) validateRoutes() {
	named := map[string]int{}
	for i, r := range l.config.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		if l.doc.Given(path+".name") && !l.doc.Rejected(path+".name") {
			l.validateName(path+".name", "route", r.Name)
		}
		if first, ok := named[r.Name]; ok && !l.doc.Rejected(path+".inbox") {
			l.doc.Reject(path+".name", fmt.Sprintf("routes[%d] already has the name %s", first, r.Name), "choose another name")
		} else {
			named[r.Name] = i
		}
		l.validateTeam(path+".team", r)
		l.validateMatch(path+".match", r)
		l.validateRecipients(path, r)
		l.validateShadow(path+".shadow", i)
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
		l.doc.Reject(path, "route "+r.Name+" has no team", "choose one of "+list)
	default:
		advice := "known teams are " + list
		if near := strictyaml.Nearest(r.Team, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		l.doc.Reject(path, fmt.Sprintf("route %s has the unknown team %q", r.Name, r.Team), advice)
	}
}

// validateMatch checks that a route's users exist.
func (l *loader) validateMatch(path string, r Route) {
	if l.doc.Rejected("users_file") {
		return
	}
	var names []string
	for _, u := range l.config.AllUsers() {
		names = append(names, u.Name)
	}
	for i, name := range r.Match.User {
		if slices.Contains(names, name) {
			continue
		}
		advice := "add it to users"
		if near := strictyaml.Nearest(name, names); near != "" {
			advice = "did you mean " + near + "?"
		}
		l.doc.Reject(fmt.Sprintf("%s.user[%d]", path, i), fmt.Sprintf("unknown user %q", name), advice)
	}
}

// validateRecipients checks the keys that recipients: headers needs.
func (l *loader) validateRecipients(path string, r Route) {
	path += ".relay_mailbox"
	given := l.doc.Given(path)
	headers := r.Recipients == RecipientsHeaders
	switch {
	case headers && !given:
		l.doc.Reject(path, "route "+r.Name+" takes recipients from headers but has no relay_mailbox",
			"write the address that the application uses as its envelope recipient")
	case !headers && given:
		l.doc.Reject(path, "relay_mailbox has no effect on route "+r.Name,
			"write recipients: headers, or remove relay_mailbox")
	case headers && !isMailbox(r.RelayMailbox):
		l.doc.Reject(path, fmt.Sprintf("relay_mailbox cannot be %q", r.RelayMailbox),
			"write one address, such as relay@example.com")
	}
}

// isMailbox reports whether s looks like a bare address.
func isMailbox(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && isHostname(domain) && !strings.ContainsAny(local, " \t<>,;:\"()[]\\*")
}
