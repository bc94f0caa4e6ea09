package smtpd

import (
	"bytes"
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
)

// testUser reads "NAME PASSWORD" or "NAME PASSWORD *@DOMAIN", with a hash that costs little.
func testUser(t testing.TB, text string) User {
	f := strings.Fields(text)
	hash, err := bcrypt.GenerateFromPassword([]byte(f[1]), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u := User{Name: f[0]}
	u.Password, err = ParseHash(string(hash))
	if err != nil {
		t.Fatal(err)
	}
	if len(f) > 2 {
		u.Senders = func(from string) bool { return strings.HasSuffix(from, strings.TrimPrefix(f[2], "*")) }
	}
	return u
}

func TestHashPassword(t *testing.T) {
	text, err := HashPassword("sesame", bytes.NewReader(make([]byte, saltLength)))
	if err != nil || !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$") {
		t.Fatalf("%s, %v", text, err)
	}
	h, err := ParseHash(text)
	if err != nil || !h.matches("sesame") || h.matches("Sesame") || h.matches("") {
		t.Errorf("%v: sesame %v, Sesame %v", err, h.matches("sesame"), h.matches("Sesame"))
	}
	if got := fmt.Sprintf("%v %+v %#v %s", h, h, h, User{Password: h}.Password); strings.Contains(got, "$") {
		t.Errorf("a hash is printed: %s", got)
	}
	if _, err := HashPassword("sesame", strings.NewReader("short")); err == nil {
		t.Error("a hash without a salt")
	}
}

// Hashes of other programs: the argon2 command of libargon2, and htpasswd -B.
func TestForeignHashes(t *testing.T) {
	for _, text := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
	} {
		h, err := ParseHash(text)
		if err != nil || h.matches("wrong") {
			t.Errorf("%s: %v", text, err)
		}
	}
	h, _ := ParseHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if !h.matches("password") {
		t.Error("the reference implementation's own hash does not match")
	}
}

func TestParseHashRefuses(t *testing.T) {
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, text := range []string{
		"", "secret", "$apr1$x$y", "{SHA}abc", "$1$salt$hash", "$6$salt$hash",
		"$argon2i$v=19$m=1,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt, "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=0,p=1$" + salt + "$" + key, "$argon2id$v=19$m=9999999,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$!$" + key,
		"$2y$31$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui", "$2y$05$short",
	} {
		_, err := ParseHash(text)
		if err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// clerk is users with bob, whose password is sesame.
func clerk(t *testing.T, l Limits) *users {
	return newUsers([]User{testUser(t, "bob sesame")}, l.orDefaults())
}

var stranger = netip.MustParseAddr("192.0.2.1")

// try logs in and wants an outcome.
func (u *users) try(t *testing.T, client netip.Addr, name, password string, want error) {
	t.Helper()
	if got := u.login(t.Context(), client, name, password); !errors.Is(got, want) {
		t.Errorf("%s as %s with %s: %v, want %v", client, name, password, got, want)
	}
}

// An address whose logins fail is banned for a while, and nobody else is.
func TestBan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 3})
		for range 2 {
			u.try(t, stranger, "bob", "wrong", errPassword)
		}
		u.try(t, stranger, "eve", "wrong", errNoUser)
		u.try(t, stranger, "bob", "sesame", errBanned)
		u.try(t, netip.MustParseAddr("192.0.2.2"), "bob", "sesame", nil)
		u.try(t, stranger, "bob", "sesame", nil) // what was right a moment ago is no guess
		pass(cacheTime)
		u.try(t, stranger, "bob", "sesame", errBanned)
		pass(15*time.Minute - cacheTime)
		u.try(t, stranger, "bob", "sesame", nil)
	})
}

// Who guesses one user's password from everywhere is stopped too.
func TestBanOfUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{AuthFailures: 2})
		client := stranger
		for range 2 * perUser {
			u.try(t, client, "bob", "wrong", errPassword)
			client = client.Next()
		}
		u.try(t, client, "bob", "sesame", errBanned)
		u.try(t, client, "eve", "sesame", errNoUser)
	})
}

// Failures are slow, all but the first.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		for _, want := range []time.Duration{0, 1, 2, 3, 4, 5, 5} {
			u.try(t, stranger, "bob", "wrong", errPassword)
			if got := u.delay(stranger); got != want*time.Second {
				t.Errorf("wait %v, want %ds", got, want)
			}
		}
	})
}

// No more hashes than two are computed at a time, and who waits too long is told.
func TestHashesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		for range hashesAtATime {
			u.hashes <- struct{}{}
		}
		start := time.Now()
		u.try(t, stranger, "bob", "sesame", errBusy)
		if got := time.Since(start); got != hashPatience {
			t.Errorf("waited %v", got)
		}
		var waiting sync.WaitGroup
		waiting.Go(func() { u.try(t, stranger, "bob", "sesame", nil) })
		synctest.Wait()
		<-u.hashes
		waiting.Wait()
		u.try(t, stranger, "bob", "sesame", nil) // needs no hash
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		u.hashes <- struct{}{}
		if err := u.login(canceled, stranger, "bob", "wrong"); !errors.Is(err, errBusy) {
			t.Errorf("at the end of the server: %v", err)
		}
	})
}

// A verified password is remembered for five minutes, and is not kept as such.
func TestPasswordCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := clerk(t, Limits{})
		u.try(t, stranger, "bob", "sesame", nil)
		if got := fmt.Sprintf("%+v %x", u.verified, "sesame"); strings.Contains(got, "sesame") {
			t.Errorf("kept: %s", got)
		}
		for password, want := range map[string]bool{"sesame": true, "wrong": false, "": false} {
			if u.cached("bob", password) != want || u.cached("eve", password) {
				t.Errorf("remembers %q: %v", password, !want)
			}
		}
		pass(cacheTime)
		if u.cached("bob", "sesame") {
			t.Error("remembered too long")
		}
	})
}

// Over the wire a failure is slowed too, though not at a price: the client waits.
func TestSlowFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		h := openOn(t, Listener{Listener: p}, Options{Users: []User{testUser(t, "bob sesame")}}, &recorder{})
		c := p.dial(t)
		c.hello()
		start := time.Now()
		for _, want := range []time.Duration{0, 1, 3} {
			c.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00bob\x00wrong")), "535 5.7.8 ")
			if got := time.Since(start); got != want*time.Second {
				t.Errorf("told after %v, want %ds", got, want)
			}
		}
		h.stop(t)
		if e := h.all(); len(e) < 3 || e[0].Reason != "Authentication failed (user bob: wrong password)" {
			t.Errorf("told %+v", e)
		}
	})
}

// Many keys do not take memory without end.
func TestWindowCounterIsBounded(t *testing.T) {
	u := newWindowCounter(time.Hour)
	for i := range 2*maxWindows + 10 {
		u.add(fmt.Sprint(i), 1)
	}
	if n := len(u.windows); n > maxWindows {
		t.Errorf("%d keys", n)
	}
}

// A key's count ends with its time, which begins with the first.
func TestWindowCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newWindowCounter(time.Minute)
		if u.add("a", 1) != 1 || u.add("b", 2) != 2 || u.count("c") != 0 {
			t.Error("miscounted")
		}
		pass(59 * time.Second)
		if got := u.add("a", 3); got != 4 {
			t.Errorf("%d within the minute", got)
		}
		pass(time.Second)
		if u.count("a") != 0 || u.add("a", 1) != 1 {
			t.Error("counted beyond the minute")
		}
	})
}
