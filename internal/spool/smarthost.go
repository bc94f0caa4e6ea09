package spool

import (
	"maps"
	"slices"
	"strings"
)

// smarthostPrefix begins the names that SmarthostTeam makes. No team of a configuration has
// a colon in its name.
const smarthostPrefix = "smarthost:"

// SmarthostTeam names what leaves by the smarthost of a route, instead of by the API. It is
// the Team of such requests: they have holds, a budget and a breaker of their own, as the
// requests of a team have.
func SmarthostTeam(route string) string { return smarthostPrefix + route }

// SmarthostRoute returns the route of a name that SmarthostTeam made.
func SmarthostRoute(team string) (route string, ok bool) {
	return strings.CutPrefix(team, smarthostPrefix)
}

// WithSmarthosts returns a destination, and what its route, or each route of its team, sends by a
// smarthost. byMail has the routes with a smarthost, and their teams.
func (d Destination) WithSmarthosts(byMail map[string]string) []Destination {
	all := []Destination{d}
	if d.Inbox != 0 {
		return all
	}
	for _, route := range slices.Sorted(maps.Keys(byMail)) {
		if byMail[route] == d.Team && (d.Route == "" || d.Route == route) {
			all = append(all, Destination{Team: SmarthostTeam(route), Route: d.Route})
		}
	}
	return all
}
