package metrics

import (
	"sync"
	"time"
)

// span is how far back usage counts, in seconds.
const span = 60

// usage counts the calls of each team in the last minute.
type usage struct {
	now func() time.Time

	mu    sync.Mutex
	teams map[string]*[span]second
}

// second is how many calls were made in a second.
type second struct {
	at    int64 // since 1970
	calls int
}

// add counts a call of a team.
func (u *usage) add(team string) {
	now := u.now().Unix()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.teams == nil {
		u.teams = map[string]*[span]second{}
	}
	if u.teams[team] == nil {
		u.teams[team] = &[span]second{}
	}
	s := &u.teams[team][now%span]
	if s.at != now {
		*s = second{at: now}
	}
	s.calls++
}

// used returns how many calls a team has made in the last minute.
func (u *usage) used(team string) (n int) {
	now := u.now().Unix()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.teams[team] == nil {
		return 0
	}
	for _, s := range u.teams[team] {
		if s.at > now-span && s.at <= now {
			n += s.calls
		}
	}
	return n
}
