package heymarket_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"heyrelay/internal/heymarket"
)

// TestClockAhead: an API that accepts no token of the future accepts those of a
// client whose clock is up to half a minute ahead, or a little behind.
func TestClockAhead(t *testing.T) {
	for _, ahead := range []time.Duration{-45 * time.Second, 0, time.Second, 2 * time.Second, 30 * time.Second} {
		now := start
		strict := carrier(func(r *http.Request) (*http.Response, error) {
			age := now.Unix() - issuedAt(t, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			if age < 0 || age > 300 {
				return says(fmt.Sprintf("HTTP/1.1 401 Unauthorized\r\n\r\n{\"error\": \"a token of %d s\"}", age))(r)
			}
			return says200("[]")(r)
		})
		c, err := heymarket.New(heymarket.Options{
			Secrets:   []heymarket.Secret{{ID: "id", Key: "k3y"}},
			Transport: strict,
			Now:       func() time.Time { return now.Add(ahead) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 600 { // ten minutes, across several tokens
			now = now.Add(time.Second)
			if _, err := c.Inboxes(t.Context()); err != nil {
				t.Fatalf("a clock ahead by %v, after %v: %v", ahead, now.Sub(start), err)
			}
		}
	}
}

// vault is a source of credentials.
type vault struct {
	mu    sync.Mutex
	now   heymarket.Credentials
	err   error
	reads int
}

func (v *vault) source() (heymarket.Credentials, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads++
	return v.now, v.err
}

func secretOf(id string) []heymarket.Secret { return []heymarket.Secret{{ID: id, Key: "k3y-of-" + id}} }

// rotating makes a client that began with the secret "old" and has a source.
func rotating(t *testing.T, v *vault, transport http.RoundTripper) *heymarket.Client {
	t.Helper()
	c, err := heymarket.New(heymarket.Options{
		Secrets:   secretOf("old"),
		Source:    v.source,
		Transport: transport,
		Now:       atStart,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRotation: credentials that are refused are read again, and the same call
// succeeds with the new ones.
func TestRotation(t *testing.T) {
	v := &vault{now: heymarket.Credentials{Secrets: secretOf("old")}}
	g := &gatekeeper{good: func(token string) bool { return issuer(token) == "old" }}
	c := rotating(t, v, g)
	send := func() error {
		_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
		return err
	}
	if err := send(); err != nil || v.reads != 0 {
		t.Fatalf("%v; the source was read %d times without a 401", err, v.reads)
	}
	v.now.Secrets = secretOf("new")
	g.good = func(token string) bool { return issuer(token) == "new" }
	if err := send(); err != nil || v.reads != 1 {
		t.Errorf("after the rotation: %v, %d reads", err, v.reads)
	}
	if got := g.issuers(); got != "old old new" {
		t.Errorf("tried %s", got)
	}
	if err := send(); err != nil || g.issuers() != "new" {
		t.Error("the new secret was not kept:", err)
	}

	g.good = func(string) bool { return false }
	if e := failure(t, send()); e.Class != heymarket.Denied || e.Unknown || v.reads != 2 {
		t.Errorf("%+v, %d reads", e, v.reads)
	}
	if got := g.issuers(); got != "new" {
		t.Errorf("nothing has changed, tried %s", got)
	}
}

// TestRotationFails: what cannot be read or is invalid replaces nothing, and the
// reason says so.
func TestRotationFails(t *testing.T) {
	for want, v := range map[string]*vault{
		"open heymarket.key: no such file": {err: errors.New("open heymarket.key:\n no such file")},
		"no credentials":                   {},
		"contains white space":             {now: heymarket.Credentials{APIKey: "s3cr3t\n"}},
	} {
		g := &gatekeeper{good: func(string) bool { return false }}
		c := rotating(t, v, g)
		_, err := c.Inboxes(t.Context())
		e := failure(t, err)
		if e.Class != heymarket.Denied || !strings.Contains(e.Reason, "cannot reload the credentials: ") {
			t.Errorf("%+v", e)
		}
		if !strings.Contains(e.Reason, want) || strings.Contains(e.Reason, "s3cr3t") {
			t.Errorf("%q, want %q", e.Reason, want)
		}
		if changed, err := c.Reload(); err == nil || changed {
			t.Errorf("%s: reloaded: %t, %v", want, changed, err)
		}
		g.good = func(token string) bool { return issuer(token) == "old" }
		if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
			t.Errorf("%s: the old credentials are gone: %v", want, err)
		}
	}
}

// TestReload replaces credentials that still work.
func TestReload(t *testing.T) {
	v := &vault{now: heymarket.Credentials{Secrets: secretOf("old")}}
	g := &gatekeeper{good: func(string) bool { return true }}
	c := rotating(t, v, g)
	for _, step := range []struct {
		now     heymarket.Credentials
		changed bool
		issuer  string
	}{
		{heymarket.Credentials{Secrets: secretOf("old")}, false, "old"},
		{heymarket.Credentials{Secrets: secretOf("new")}, true, "new"},
		{heymarket.Credentials{Secrets: []heymarket.Secret{{ID: "new", Key: "another"}}}, true, "new"},
		{heymarket.Credentials{APIKey: "k3y"}, true, "k3y"},
		{heymarket.Credentials{APIKey: "k3y"}, false, "k3y"},
	} {
		v.now = step.now
		if changed, err := c.Reload(); changed != step.changed || err != nil {
			t.Errorf("%v: changed %t, %v", step.now, changed, err)
		}
		if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil || g.issuers() != step.issuer {
			t.Errorf("%v: %v", step.now, err)
		}
	}
	if changed, err := client(t, g).Reload(); changed || err != nil {
		t.Error("without a source:", changed, err)
	}
}

// TestRotationUnderLoad: many calls at once read the new credentials once, and
// none of them fails.
func TestRotationUnderLoad(t *testing.T) {
	v := &vault{now: heymarket.Credentials{Secrets: secretOf("new")}}
	g := &gatekeeper{good: func(token string) bool { return issuer(token) == "new" }}
	c := rotating(t, v, g)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if v.reads != 1 {
		t.Errorf("the source was read %d times", v.reads)
	}
}
