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
)

// User is who may send from anywhere, with a password.
type User struct {
	Name     string
	Password Hash
	Senders  func(from string) bool // says whether the user may say so in MAIL ("" for <>); nil: anything
}

// Why a login fails.
var (
	errNoUser   = errors.New("there is no such user")
	errPassword = errors.New("the password is wrong")
	errBanned   = errors.New("too many failed logins")
	errBusy     = errors.New("too many logins at the moment")
)

const (
	hashesAtATime = 2               // each takes memory, and a processor
	hashPatience  = 5 * time.Second // for one of them to begin
	remembered    = 5 * time.Minute // how long a verified password is
	perUser       = 10              // a user's failures are borne so many times as long as an address's
	maxDelay      = 5               // seconds
)

// users knows who may log in, and how often it went wrong of late.
type users struct {
	byName map[string]User
	limit  int    // failures of an address
	failed *tally // by network, and by user

	hashes chan struct{}
	decoy  Hash     // is tried where there is no such user, so that it takes as long
	secret [32]byte // of the remembered passwords

	mu    sync.Mutex
	known map[string]verified
}

// verified is a password that was right: its keyed hash, and until when.
type verified struct {
	sum   [sha256.Size]byte
	until time.Time
}

func newUsers(all []User, l Limits) *users {
	u := &users{
		byName: make(map[string]User),
		limit:  l.AuthFailures,
		failed: newTally(l.AuthBan),
		hashes: make(chan struct{}, hashesAtATime),
		known:  make(map[string]verified),
	}
	for _, user := range all {
		u.byName[user.Name] = user
		u.decoy = user.Password
	}
	_, _ = rand.Read(u.secret[:]) // it never fails
	return u
}

// login returns nil where password is name's, or why not. It takes a while.
func (u *users) login(ctx context.Context, client netip.Addr, name, password string) error {
	if u.remembers(name, password) {
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
	if u.banned(address, name) { // by those who were before in the queue
		return errBanned
	}
	user, exists := u.byName[name]
	if !exists {
		user.Password = u.decoy
	}
	if user.Password.matches(password) && exists {
		u.remember(name, password)
		return nil
	}
	u.failed.add(address, 1)
	u.failed.add("user "+name, 1)
	if !exists {
		return errNoUser
	}
	return errPassword
}

// banned says whether too many logins failed. One address cannot lock a user out
// who comes from another.
func (u *users) banned(address, name string) bool {
	return u.failed.of(address) >= u.limit || u.failed.of("user "+name) >= perUser*u.limit
}

// delay is how long a client waits for the news that its login has failed: the first
// time not at all.
func (u *users) delay(client netip.Addr) time.Duration {
	failures := u.failed.of("address " + network(client).String())
	return time.Duration(max(0, min(failures-1, maxDelay))) * time.Second
}

// sum is a hash that nobody can compute without the secret of this process.
func (u *users) sum(name, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, u.secret[:])
	mac.Write([]byte(name + "\x00" + password)) // neither has a NUL in it
	mac.Sum(sum[:0])
	return sum
}

func (u *users) remembers(name, password string) bool {
	sum := u.sum(name, password)
	u.mu.Lock()
	defer u.mu.Unlock()
	v, ok := u.known[name]
	return ok && time.Now().Before(v.until) && hmac.Equal(v.sum[:], sum[:])
}

func (u *users) remember(name, password string) {
	sum := u.sum(name, password)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known[name] = verified{sum, time.Now().Add(remembered)}
}
