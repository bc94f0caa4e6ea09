package spool

import "strings"

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
