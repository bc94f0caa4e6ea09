package access

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"heyrelay/internal/passhash"
)

// The limits of logins. Each login counts when it begins, so that many at once are no way
// around them; one that succeeds does not count for its address.
const (
	maxFailures   = 10               // of one address within failureWindow
	failureWindow = 15 * time.Minute // from the first one
	maxLogins     = 60               // of all addresses within a minute
	maxAddresses  = 10_000           // that are remembered
	hashesAtATime = 2                // each takes memory and a processor
)

// logins bounds how often anybody can try to log in.
type logins struct {
	now     func() time.Time
	hashes  chan struct{}
	slowest passhash.Slowest

	mu      sync.Mutex
	failed  map[netip.Prefix]tally
	overall tally
}

// tally counts within a window.
type tally struct {
	n    int
	ends time.Time
}

// add counts one, in a new window if the last has ended.
func (t *tally) add(now time.Time, window time.Duration) {
	if !now.Before(t.ends) {
		*t = tally{ends: now.Add(window)}
	}
	t.n++
}

// wait returns how long nothing more may be counted, 0 while the limit is not reached.
func (t tally) wait(now time.Time, limit int) time.Duration {
	if t.n < limit {
		return 0
	}
	return max(0, t.ends.Sub(now))
}

func newLogins(now func() time.Time) *logins {
	return &logins{now: now, hashes: make(chan struct{}, hashesAtATime), failed: make(map[netip.Prefix]tally)}
}

// Network returns the addresses that count together with an address: one of IPv4, the /64 of one of
// IPv6, which one host can use in full. That of the zero Addr is the zero Prefix.
func Network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}

// begin counts a login that may go on, and returns 0. Otherwise it returns how long to wait.
func (l *logins) begin(client netip.Addr) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, key := l.now(), Network(client)
	of := l.failed[key]
	wait = max(of.wait(now, maxFailures), l.overall.wait(now, maxLogins))
	if wait > 0 {
		return wait
	}
	l.overall.add(now, time.Minute)
	of.add(now, failureWindow)
	if len(l.failed) >= maxAddresses {
		l.forget(now)
	}
	l.failed[key] = of
	return 0
}

// forget removes addresses whose window has ended, or all if that makes no room. The overall
// limit holds meanwhile.
func (l *logins) forget(now time.Time) {
	for key, of := range l.failed {
		if !now.Before(of.ends) {
			delete(l.failed, key)
		}
	}
	if len(l.failed) >= maxAddresses {
		clear(l.failed)
	}
}

// succeed takes back what begin counted for the address.
func (l *logins) succeed(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := Network(client)
	of := l.failed[key]
	of.n--
	l.failed[key] = of
}

// matches compares a password with a hash when it is its turn; never if ctx ends before. A
// mismatch takes as long as the slowest hash so far: its time does not reveal whether the user
// exists.
func (l *logins) matches(ctx context.Context, hash passhash.Hash, password string) bool {
	select {
	case l.hashes <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	start := time.Now()
	matches := hash.Matches(password)
	took := time.Since(start)
	<-l.hashes
	slowest := l.slowest.Observe(took)
	if !matches {
		pause(ctx, slowest-took)
	}
	return matches
}

// pause waits until d has passed or ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
