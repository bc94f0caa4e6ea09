package spool

import "time"

// Hold keeps requests from being sent: those for a team, for a route, or for one
// inbox of a route, or where Team is "" a request of its own.
type Hold struct {
	Team     string    `json:"team,omitempty"`
	Route    string    `json:"route,omitempty"` // "" for the whole team
	Inbox    int64     `json:"inbox,omitempty"` // of the route, only what goes there; 0 for all
	Reason   string    `json:"reason"`          // for people
	Since    time.Time `json:"since,omitzero"`  // zero: now, and of a request unknown
	Operator bool      `json:"operator"`        // an operator began it, and ends it; else heyrelay
	Probe    time.Time `json:"probe,omitzero"`  // when a held route gives one request as a probe; zero: never
}

// OperatorReason is the reason of an operator's hold that has no other.
const OperatorReason = "held by an operator"

// The levels of a hold.
const (
	RequestLevel = "request"
	RouteLevel   = "route"
	TeamLevel    = "team"
)

// Destination is where h holds.
func (h Hold) Destination() Destination { return Destination{h.Team, h.Route, h.Inbox} }

// Level is what h holds: RequestLevel, RouteLevel or TeamLevel.
func (h Hold) Level() string {
	switch {
	case h.Team == "":
		return RequestLevel
	case h.Route == "":
		return TeamLevel
	}
	return RouteLevel
}

// String describes h for people: "route shop is on hold since
// 2026-11-01T12:00:00Z, by an operator: maintenance".
func (h Hold) String() string {
	what := "it"
	if h.Level() != RequestLevel {
		what = h.Destination().Name()
	}
	text := what + " is on hold"
	if !h.Since.IsZero() {
		text += " since " + h.Since.UTC().Format(time.RFC3339)
	}
	if h.Operator && h.Reason != OperatorReason {
		text += ", by an operator"
	}
	return text + ": " + h.Reason
}

// KeptBack returns which of holds keeps back a request for a destination, the first
// of: its own, which own is the reason of ("" for none), the team's, the route's, and
// the one of the route's inbox. It returns nil for none.
func KeptBack(holds []Hold, own string, at Destination) *Hold {
	if own != "" {
		return &Hold{Reason: own, Operator: own != LoopReason}
	}
	for _, where := range []Destination{{Team: at.Team}, {Team: at.Team, Route: at.Route}, at} {
		for i := range holds {
			if holds[i].Destination() == where {
				return &holds[i]
			}
		}
	}
	return nil
}

// Kept is a hold with what it keeps back.
type Kept struct {
	Level string `json:"level"`
	Hold
	Requests int `json:"requests"`
}

// AddKept adds n requests that h keeps back to all.
func AddKept(all []Kept, h Hold, n int) []Kept {
	if h.Level() == RequestLevel { // they are counted together
		h = Hold{Reason: "held individually", Operator: true}
	}
	for i := range all {
		if all[i].Destination() == h.Destination() {
			all[i].Requests += n
			return all
		}
	}
	return append(all, Kept{Level: h.Level(), Hold: h, Requests: n})
}
