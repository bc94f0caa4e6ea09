package delivery

import "sync"

// shutter is a reason why nothing of a route flows: a hold of it, of its team
// (route ""), or the team's breaker.
type shutter struct{ team, route string }

// breaker stands for a team's breaker. No route has such a name.
const breaker = "\x00breaker"

// shutters are those that are down. The loop sets them, anybody may ask.
type shutters struct {
	mu   sync.Mutex
	down map[shutter]bool
}

func (s *shutters) set(which shutter, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.down = map[shutter]bool{}
	}
	if s.down[which] = down; !down {
		delete(s.down, which)
	}
}

// Flows reports whether what waits of a route is being sent: neither it nor its
// team is held, and the team's breaker is closed. Anybody may ask.
func (s *Scheduler) Flows(team, route string) bool {
	s.shut.mu.Lock()
	defer s.shut.mu.Unlock()
	return !s.shut.down[shutter{team, route}] && !s.shut.down[shutter{team, ""}] && !s.shut.down[shutter{team, breaker}]
}
