package smtpd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"heyrelay/internal/passhash"
)

// testUser parses "NAME PASSWORD" or "NAME PASSWORD *@DOMAIN", and uses a cheap hash.
func testUser(t testing.TB, text string) User {
	f := strings.Fields(text)
	hash, err := bcrypt.GenerateFromPassword([]byte(f[1]), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u := User{Name: f[0]}
	u.Password, err = passhash.Parse(string(hash))
	if err != nil {
		t.Fatal(err)
	}
	if len(f) > 2 {
		u.Senders = func(from string) bool { return strings.HasSuffix(from, strings.TrimPrefix(f[2], "*")) }
	}
	return u
}

// office is users with their set-up.
type office struct {
	*users
	setup *Setup
}

// clerk returns users with bob, whose password is sesame.
func clerk(t *testing.T, l Limits) office {
	s := Settings{Handler: &recorder{}, Users: []User{testUser(t, "bob sesame")}, Limits: l}
	return office{newUsers(), NewSetup(s)}
}

var outside = netip.MustParseAddr("192.0.2.1")

// try logs in and expects a result.
func (o office) try(t *testing.T, client netip.Addr, name, password string, want error) {
	t.Helper()
	if got := o.login(t.Context(), o.setup, client, name, password); !errors.Is(got, want) {
		t.Errorf("%s as %s with %s: %v, want %v", client, name, password, got, want)
	}
}

// An address with too many failed logins is banned for a while, and no other address is.
func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 3})
		for range 2 {
			u.try(t, outside, "bob", "wrong", errPassword)
		}
		u.try(t, outside, "eve", "wrong", errNoUser)
		u.try(t, outside, "bob", "sesame", errBanned)
		u.try(t, netip.MustParseAddr("192.0.2.2"), "bob", "sesame", nil)
		pass(15*time.Minute - time.Second)
		u.try(t, outside, "bob", "sesame", errBanned)
		pass(time.Second)
		u.try(t, outside, "bob", "sesame", nil)
	})
}

// A ban is asked before the cache: the correct password is refused too, also if it was verified a
// moment ago.
func TestBanBeforeCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 3})
		u.try(t, outside, "bob", "sesame", nil)
		for range 3 {
			u.try(t, outside, "bob", "wrong", errPassword)
		}
		for range 100 {
			u.try(t, outside, "bob", "sesame", errBanned)
			u.try(t, outside, "bob", "wrong", errBanned)
		}
	})
}

// Guessing the password of a banned user bans the address too, and does not lock the user out at
// the address where it was verified.
func TestBannedUserIsCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 2})
		home, client := netip.MustParseAddr("192.0.2.200"), outside
		u.try(t, home, "bob", "sesame", nil)
		for range 20 {
			u.try(t, client, "bob", "wrong", errPassword)
			client = client.Next()
		}
		u.try(t, client, "bob", "sesame", errBanned)
		u.try(t, client, "eve", "wrong", errNoUser)
		u.try(t, client, "eve", "wrong", errBanned) // the refused guess has counted
		u.try(t, home, "bob", "sesame", nil)
		u.try(t, home, "bob", "wrong", errBanned)
	})
}

// A login for another identity counts as any failure: its address is banned, and cannot ban the user.
func TestBanOfRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 2})
		for i := range 10 * perUser {
			want := errRole
			if i >= 2 {
				want = errBanned
			}
			if got := u.rejectRole(u.setup, outside, "bob"); !errors.Is(got, want) {
				t.Errorf("%d: %v, want %v", i, got, want)
			}
		}
		u.try(t, outside, "bob", "sesame", errBanned)
		u.try(t, outside.Next(), "bob", "sesame", nil)
	})
}

// The names that clients invent take little memory.
func TestFailuresAreSmall(t *testing.T) {
	u := clerk(t, Limits{})
	_ = u.rejectRole(u.setup, outside, strings.Repeat("x", 3000))
	for key := range u.failed.windows {
		if len(key) > 100 {
			t.Errorf("a key has %d bytes", len(key))
		}
	}
}

// An unknown user takes as long as the slowest hash in use, wherever that stands in the list.
func TestDecoy(t *testing.T) {
	hashes := []string{
		"$2y$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
		"$2y$12$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
		"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	}
	for first := range hashes {
		var all []User
		for i := range hashes {
			hash, err := passhash.Parse(hashes[(first+i)%len(hashes)])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, User{Name: fmt.Sprint("user", i), Password: hash})
		}
		slowest, err := passhash.Parse(hashes[1])
		if err != nil {
			t.Fatal(err)
		}
		if u := NewSetup(Settings{Handler: &recorder{}, Users: all}); u.decoy != slowest {
			t.Errorf("with user %d first the decoy costs %v, want %v", first, u.decoy.Cost(), slowest.Cost())
		}
	}
}

// A failure with a hash that is cheap takes as long as with the slowest one so far.
func TestFailuresTakeEquallyLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		u.slowest.Observe(300 * time.Millisecond)
		for _, name := range []string{"bob", "eve"} {
			start := time.Now()
			_ = u.login(t.Context(), u.setup, outside, name, "wrong")
			if got := time.Since(start); got != 300*time.Millisecond {
				t.Errorf("%s: %v", name, got)
			}
		}
		if got := u.slowest.Observe(time.Hour); got != time.Second {
			t.Errorf("a busy machine makes failures take %v", got)
		}
	})
}

// Guessing the password of one user from many addresses bans the user.
func TestBanOfUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 2})
		client := outside
		for range 20 {
			u.try(t, client, "bob", "wrong", errPassword)
			client = client.Next()
		}
		u.try(t, client, "bob", "sesame", errBanned)
		u.try(t, client, "eve", "sesame", errNoUser)
	})
}

// All failures but the first are delayed.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		for _, want := range []time.Duration{0, 1, 2, 3, 4, 5, 5} {
			u.try(t, outside, "bob", "wrong", errPassword)
			if got := u.delay(outside); got != want*time.Second {
				t.Errorf("wait %v, want %ds", got, want)
			}
		}
	})
}

// At most two hashes are computed at a time, and a login that waits too long fails.
func TestHashesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		for range 2 {
			u.hashes <- struct{}{}
		}
		start := time.Now()
		u.try(t, outside, "bob", "sesame", errBusy)
		if got := time.Since(start); got != hashPatience {
			t.Errorf("waited %v", got)
		}
		var waiting sync.WaitGroup
		waiting.Go(func() { u.try(t, outside, "bob", "sesame", nil) })
		synctest.Wait()
		<-u.hashes
		waiting.Wait()
		u.try(t, outside, "bob", "sesame", nil) // needs no hash
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		u.hashes <- struct{}{}
		if err := u.login(canceled, u.setup, outside, "bob", "wrong"); !errors.Is(err, errBusy) {
			t.Errorf("at the end of the server: %v", err)
		}
	})
}

// A verified password is cached for five minutes, but not in plaintext.
func TestPasswordCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		home := "address " + network(outside).String()
		u.try(t, outside, "bob", "sesame", nil)
		if u.cached(u.setup, login{"bob", "address 192.0.2.2/32"}, "sesame") {
			t.Error("cached for another address")
		}
		if got := fmt.Sprintf("%+v %x", u.verified, "sesame"); strings.Contains(got, "sesame") {
			t.Errorf("kept: %s", got)
		}
		for password, want := range map[string]bool{"sesame": true, "wrong": false, "": false} {
			if u.cached(u.setup, login{"bob", home}, password) != want || u.cached(u.setup, login{"eve", home}, password) {
				t.Errorf("cached %q: %v", password, !want)
			}
		}
		pass(5*time.Minute - time.Second)
		if !u.cached(u.setup, login{"bob", home}, "sesame") {
			t.Error("cached for less than five minutes")
		}
		pass(time.Second)
		if u.cached(u.setup, login{"bob", home}, "sesame") {
			t.Error("cached for too long")
		}
	})
}

// The reply to a failed login is delayed.
func TestSlowFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		h := openOn(t, p, Access{}, Settings{Users: []User{testUser(t, "bob sesame")}}, &recorder{})
		c := p.dial(t)
		c.hello()
		start := time.Now()
		for _, want := range []time.Duration{0, 1, 3} {
			c.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00bob\x00wrong")), "535 5.7.8 ")
			if got := time.Since(start); got != want*time.Second {
				t.Errorf("reply after %v, want %ds", got, want)
			}
		}
		h.stop(t)
		if e := h.all(); len(e) < 3 || e[0].Reason != "Authentication failed (user bob: wrong password)" {
			t.Errorf("logged %+v", e)
		}
	})
}

// The number of keys is bounded.
func TestWindowCounterIsBounded(t *testing.T) {
	u := newWindowCounter()
	for i := range 2*maxWindows + 10 {
		u.add(fmt.Sprint(i), 1, time.Hour)
	}
	if n := len(u.windows); n > maxWindows {
		t.Errorf("%d keys", n)
	}
}

// The window of a key begins with its first count.
func TestWindowCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newWindowCounter()
		if u.add("a", 1, time.Minute) != 1 || u.add("b", 2, time.Minute) != 2 || u.count("c") != 0 {
			t.Error("miscounted")
		}
		pass(59 * time.Second)
		if got := u.add("a", 3, time.Minute); got != 4 {
			t.Errorf("%d within the minute", got)
		}
		pass(time.Second)
		if u.count("a") != 0 || u.add("a", 1, time.Minute) != 1 {
			t.Error("counted beyond the minute")
		}
	})
}
