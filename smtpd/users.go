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
	errBanned   = errors.New("too many failed logins")
	errBusy     = errors.New("too many logins at the moment")
)

const (
	hashesAtATime = 2               // each takes memory and a processor
	hashPatience  = 5 * time.Second // for one of them to start
	cacheTime     = 5 * time.Minute // of a verified password
	perUser       = 10              // times the failures that ban an address ban a user
	maxDelay      = 5               // seconds
)

// users verifies passwords and counts failures.
type users struct {
	byName map[string]User
	limit  int            // failures of an address
	failed *windowCounter // by network, and by user

	hashes chan struct{}
	decoy  passhash.Hash // is computed for an unknown user, so that it takes as long
	secret [32]byte      // key of the cached sums

	mu       sync.Mutex
	verified map[string]verification
}

// verification is a keyed hash of a password that was correct, and when that expires.
type verification struct {
	sum     [sha256.Size]byte
	expires time.Time
}

func newUsers(all []User, l Limits) *users {
	u := &users{
		byName:   make(map[string]User),
		limit:    l.AuthFailures,
		failed:   newWindowCounter(l.AuthBan),
		hashes:   make(chan struct{}, hashesAtATime),
		verified: make(map[string]verification),
	}
	for _, user := range all {
		u.byName[user.Name] = user
		u.decoy = user.Password
	}
	_, _ = rand.Read(u.secret[:]) // it never fails
	return u
}

// login returns nil if the password is correct, else errNoUser, errPassword, errBanned or errBusy. It
// may take seconds.
func (u *users) login(ctx context.Context, client netip.Addr, name, password string) error {
	if u.cached(name, password) {
		return nil
	}
	address := "address " + network(client).String()
	if u.banned(address, name) {
		return errBanned
	}
	ctx, cancel := context.WithTimeout(ctx, hashPatience)
	defer cancel()
	select {
	case u.hashes <- struct{}{}:
		defer func() { <-u.hashes }()
	case <-ctx.Done():
		return errBusy
	}
	if u.banned(address, name) { // by logins that were ahead in the queue
		return errBanned
	}
	user, exists := u.byName[name]
	if !exists {
		user.Password = u.decoy
	}
	if user.Password.Matches(password) && exists {
		u.cache(name, password)
		return nil
	}
	u.failed.add(address, 1)
	u.failed.add("user "+name, 1)
	if !exists {
		return errNoUser
	}
	return errPassword
}

// banned reports whether too many logins failed. One address alone cannot ban a user at
// other addresses.
func (u *users) banned(address, name string) bool {
	return u.failed.count(address) >= u.limit || u.failed.count("user "+name) >= perUser*u.limit
}

// delay is how long the reply to a failed login is delayed: not at all the first time.
func (u *users) delay(client netip.Addr) time.Duration {
	failures := u.failed.count("address " + network(client).String())
	return time.Duration(max(0, min(failures-1, maxDelay))) * time.Second
}

// sum is a hash that cannot be computed without the secret of this process.
func (u *users) sum(name, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, u.secret[:])
	mac.Write([]byte(name + "\x00" + password)) // neither contains a NUL
	mac.Sum(sum[:0])
	return sum
}

func (u *users) cached(name, password string) bool {
	sum := u.sum(name, password)
	u.mu.Lock()
	defer u.mu.Unlock()
	v, ok := u.verified[name]
	return ok && time.Now().Before(v.expires) && hmac.Equal(v.sum[:], sum[:])
}

func (u *users) cache(name, password string) {
	sum := u.sum(name, password)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.verified[name] = verification{sum, time.Now().Add(cacheTime)}
}
