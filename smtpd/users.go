package smtpd

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"time"

	"heyrelay/internal/passhash"
)

// User is an account that may send from anywhere, with its password.
type User struct {
	Name     string
	Password passhash.Hash
	Senders  func(from string) bool // reports whether the user may send as from ("" for <>); nil: as anybody
}

// Why a login fails.
var (
	errNoUser   = errors.New("unknown user")
	errPassword = errors.New("wrong password")
	errRole     = errors.New("another authorization identity")
	errBanned   = errors.New("too many failed logins")
	errBusy     = errors.New("too many logins at the moment")
)

const (
	hashesAtATime = 2               // each takes memory and a processor
	hashPatience  = 5 * time.Second // for one of them to start
	cacheTime     = 5 * time.Minute // of a verified password
	perUser       = 10              // times the failures that ban an address ban a user
	maxDelay      = 5               // seconds
	maxCached     = 10_000          // verified passwords, each of a user at an address
	maxName       = 64              // bytes of a name by which failures are counted
)

// users verifies passwords and counts failures.
type users struct {
	failed *windowCounter // by network, and by user

	hashes  chan struct{}
	slowest passhash.Slowest
	secret  [32]byte // key of the cached sums

	mu       sync.Mutex
	verified map[login]verification
}

// login is a user at an address.
type login struct{ name, address string }

func loginOf(client netip.Addr, name string) login {
	return login{name, "address " + network(client).String()}
}

// user is the key under which failed logins of the user are counted. A client may send a name of
// 3 KB, and users have shorter ones.
func (l login) user() string { return "user " + l.name[:min(len(l.name), maxName)] }

// verification is a keyed hash of a password that was correct, and when that expires.
type verification struct {
	sum      [sha256.Size]byte
	password passhash.Hash // that matched
	expires  time.Time
}

func newUsers() *users {
	u := &users{
		failed:   newWindowCounter(),
		hashes:   make(chan struct{}, hashesAtATime),
		verified: make(map[login]verification),
	}
	_, _ = rand.Read(u.secret[:]) // it never fails
	return u
}

// login returns nil if the password is correct, else errNoUser, errPassword, errBanned or
// errBusy. It may take seconds.
//
// A banned address never gets as far as its password, even if that is cached. A banned user
// still does at an address where the password was verified lately: who guesses elsewhere cannot
// lock it out there.
func (u *users) login(ctx context.Context, s *Setup, client netip.Addr, name, password string) error {
	l := loginOf(client, name)
	if u.addressBanned(s, l) {
		return errBanned
	}
	if u.cached(s, l, password) {
		return nil
	}
	if u.userBanned(s, l) {
		u.failed.add(l.address, 1, s.Limits.AuthBan)
		return errBanned
	}
	return u.verify(ctx, s, l, password)
}

// verify computes the hash, when it is its turn.
func (u *users) verify(ctx context.Context, s *Setup, l login, password string) error {
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	select {
	case u.hashes <- struct{}{}:
	case <-ctx.Done():
		return errBusy
	}
	if u.addressBanned(s, l) || u.userBanned(s, l) { // by logins that were ahead in the queue
		<-u.hashes
		return errBanned
	}
	user, exists := s.byName[l.name]
	if !exists {
		user.Password = s.decoy
	}
	start := time.Now()
	matches := user.Password.Matches(password)
	took := time.Since(start)
	<-u.hashes
	slowest := u.slowest.Observe(took)
	if matches && exists {
		u.cache(l, user.Password, password)
		return nil
	}
	u.fail(s, l)
	sleep(ctx, slowest-took) // a failure takes as long for every kind of hash
	if !exists {
		return errNoUser
	}
	return errPassword
}

// rejectRole counts a login of a user for another as failed, whatever the password is. It returns errRole, or
// errBanned, and then it does not count against the user: one address alone cannot ban the user.
func (u *users) rejectRole(s *Setup, client netip.Addr, name string) error {
	l := loginOf(client, name)
	if u.failed.add(l.address, 1, s.Limits.AuthBan) > s.Limits.AuthFailures {
		return errBanned
	}
	u.failed.add(l.user(), 1, s.Limits.AuthBan)
	return errRole
}

// fail counts a failed login.
func (u *users) fail(s *Setup, l login) {
	u.failed.add(l.address, 1, s.Limits.AuthBan)
	u.failed.add(l.user(), 1, s.Limits.AuthBan)
}

// addressBanned reports whether too many logins from the address failed.
func (u *users) addressBanned(s *Setup, l login) bool {
	return u.failed.count(l.address) >= s.Limits.AuthFailures
}

// userBanned reports whether too many logins of the user failed, from all addresses. One address
// alone cannot ban a user.
func (u *users) userBanned(s *Setup, l login) bool {
	return u.failed.count(l.user()) >= perUser*s.Limits.AuthFailures
}

// delay is how long the reply to a failed login is delayed: not at all the first time.
func (u *users) delay(client netip.Addr) time.Duration {
	failures := u.failed.count(loginOf(client, "").address)
	return time.Duration(max(0, min(failures-1, maxDelay))) * time.Second
}

// sleep waits until d has passed or ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// sum is a hash that cannot be computed without the secret of this process.
func (u *users) sum(name, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, u.secret[:])
	mac.Write([]byte(name + "\x00" + password)) // neither contains a NUL
	mac.Sum(sum[:0])
	return sum
}

// cached reports whether the password was verified at this address lately, and is still the user's.
func (u *users) cached(s *Setup, l login, password string) bool {
	sum := u.sum(l.name, password)
	u.mu.Lock()
	defer u.mu.Unlock()
	v, ok := u.verified[l]
	return ok && v.password == s.byName[l.name].Password && time.Now().Before(v.expires) && hmac.Equal(v.sum[:], sum[:])
}

func (u *users) cache(l login, hash passhash.Hash, password string) {
	sum := u.sum(l.name, password)
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.verified) >= maxCached {
		clear(u.verified)
	}
	u.verified[l] = verification{sum, hash, time.Now().Add(cacheTime)}
}
