package heymarket_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"heyrelay/internal/heymarket"
)

// gatekeeper answers 200 to good tokens and 401 to others, and records them.
type gatekeeper struct {
	mu   sync.Mutex
	good func(token string) bool
	seen []string
}

func (o *gatekeeper) RoundTrip(r *http.Request) (*http.Response, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, token)
	if !o.good(token) {
		return says("HTTP/1.1 401 Unauthorized\r\n\r\n{\"error\": \"Unauthorized\"}")(r)
	}
	return says200(`{"id": 1}`)(r)
}

// issuer returns the secret id that a token names, or the token if it is no JWT.
func issuer(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return token
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Iss string }
	if json.Unmarshal(raw, &claims) != nil {
		return token
	}
	return claims.Iss
}

// issuers returns those of all tokens seen since the last call.
func (o *gatekeeper) issuers() string {
	var list []string
	for _, token := range o.seen {
		list = append(list, issuer(token))
	}
	o.seen = nil
	return strings.Join(list, " ")
}

func TestTokenIsAsDocumented(t *testing.T) {
	o := &gatekeeper{good: func(string) bool { return true }}
	if _, err := client(t, o).Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(o.seen[0], ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if string(header) != `{"alg":"HS256","typ":"JWT"}` {
		t.Errorf("the header is %s", header)
	}
	if string(claims) != fmt.Sprintf(`{"iat":%d,"iss":"74f80a77"}`, start.Add(-30*time.Second).Unix()) {
		t.Errorf("the claims are %s", claims)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := jwt.SigningMethodHS256.Verify(parts[0]+"."+parts[1], signature, []byte("74f80a77||k3y")); err != nil {
		t.Error(err)
	}
}

func TestTokenIsCachedUnderFiveMinutes(t *testing.T) {
	now := start
	o := &gatekeeper{good: func(string) bool { return true }}
	c, err := heymarket.New(heymarket.Options{
		Secrets: []heymarket.Secret{{ID: "id", Key: "k3y"}}, Transport: o, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := make(map[string]bool)
	for _, test := range []struct {
		at   time.Duration
		want int // tokens up to now
	}{
		{0, 1},
		{3 * time.Minute, 1},
		{3*time.Minute + 30*time.Second - 1, 1},
		{3*time.Minute + 30*time.Second, 2},
		{6 * time.Minute, 2},
		{0, 2},
		{-time.Hour, 3},
	} {
		now = start.Add(test.at)
		if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
			t.Fatal(err)
		}
		token := o.seen[len(o.seen)-1]
		tokens[token] = true
		if len(tokens) != test.want && test.at >= 0 {
			t.Errorf("at %v: %d tokens, not %d", test.at, len(tokens), test.want)
		}
		made := start.Add(time.Duration(issuedAt(t, token)-start.Unix()) * time.Second)
		if age := now.Sub(made); age < 30*time.Second || age > 4*time.Minute {
			t.Errorf("at %v: the token is %v old", test.at, age)
		}
	}
}

func issuedAt(t *testing.T, token string) int64 {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var claims struct{ Iat int64 }
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		t.Fatal("not a token:", token)
	}
	return claims.Iat
}

// TestManyCallsShareAToken, although a second passes with each.
func TestManyCallsShareAToken(t *testing.T) {
	var calls atomic.Int64
	o := &gatekeeper{good: func(string) bool { return true }}
	c, err := heymarket.New(heymarket.Options{
		Secrets: []heymarket.Secret{{ID: "id", Key: "k3y"}}, Transport: o,
		Now: func() time.Time { return start.Add(time.Duration(calls.Add(1)) * time.Second) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), opener("l-0", "to:ann@example.com")); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, token := range o.seen {
		if token != o.seen[0] {
			t.Fatal("there are two tokens")
		}
	}
}

func TestRefusedTokenIsMadeAnew(t *testing.T) {
	now := start
	o := &gatekeeper{good: func(string) bool { return true }}
	c, err := heymarket.New(heymarket.Options{
		Secrets: []heymarket.Secret{{ID: "id", Key: "k3y"}}, Transport: o, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com")); err != nil {
		t.Fatal(err)
	}
	old := o.seen[0]
	o.good = func(token string) bool { return token != old }
	now = start.Add(time.Minute)
	if _, err := c.Send(t.Context(), opener("l-2", "to:ann@example.com")); err != nil {
		t.Fatal("a refused token from the cache:", err)
	}
	if len(o.seen) != 3 || o.seen[1] != old || o.seen[2] == old {
		t.Errorf("tokens: %q", o.seen)
	}
	if _, err := c.Send(t.Context(), opener("l-3", "to:ann@example.com")); err != nil || len(o.seen) != 4 {
		t.Errorf("the new token is not kept: %v, %q", err, o.seen)
	}
}

func TestSecondSecret(t *testing.T) {
	o := &gatekeeper{good: func(token string) bool { return issuer(token) == "new" }}
	c, err := heymarket.New(heymarket.Options{
		Secrets:   []heymarket.Secret{{ID: "old", Key: "k3y"}, {ID: "new", Key: "k3y2"}},
		APIKey:    "k3y3",
		Transport: o,
		Now:       atStart,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ good, want string }{
		{"new", "old new"},       // the first one is tried first
		{"new", "new"},           // and left behind
		{"old", "new k3y3 old"},  // and found again, once round
		{"k3y3", "old new k3y3"}, // the API key is the last
		{"nobody", "k3y3 old new"},
	} {
		o.good = func(token string) bool { return issuer(token) == step.good }
		_, err := c.Send(t.Context(), opener("l-1", "to:ann@example.com"))
		if (err == nil) != (step.good != "nobody") {
			t.Errorf("%s: %v", step.good, err)
		}
		if got := o.issuers(); got != step.want {
			t.Errorf("%s: tried %s, not %s", step.good, got, step.want)
		}
	}
}

func TestAllCredentialsRefused(t *testing.T) {
	o := &gatekeeper{good: func(string) bool { return false }}
	_, err := client(t, o).Send(t.Context(), opener("l-1", "to:ann@example.com"))
	if e := failure(t, err); e.Class != heymarket.Denied || e.Unknown || e.Status != 401 {
		t.Errorf("%+v", e)
	}
	if len(o.seen) != 1 {
		t.Errorf("%d requests with one fresh token", len(o.seen))
	}
}

// TestSecretsAreNotPrinted prints client, options and errors in every way.
func TestSecretsAreNotPrinted(t *testing.T) {
	const key, apiKey = "s3cr3t-of-the-team", "l3gacy-key"
	var token string
	parrot := carrier(func(r *http.Request) (*http.Response, error) {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		body := `{"error": "` + strings.Repeat("x", 200) + " bad token " + token + `"}`
		return says("HTTP/1.1 401 Unauthorized\r\n\r\n" + body)(r)
	})
	o := heymarket.Options{Secrets: []heymarket.Secret{{ID: "id", Key: key}}, Transport: parrot, Now: atStart}
	c, err := heymarket.New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, refused := c.Inboxes(t.Context())
	jwt := token
	old, err := heymarket.New(heymarket.Options{APIKey: apiKey, Transport: parrot})
	if err != nil {
		t.Fatal(err)
	}
	_, refusedToo := old.Inboxes(t.Context())
	portal := carrier(func(r *http.Request) (*http.Response, error) {
		return says200(strings.Repeat("x", 250) + r.Header.Get("Authorization"))(r)
	})
	o.Transport = portal
	odd, err := heymarket.New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, oddAnswer := odd.Send(t.Context(), opener("l-1", "to:ann@example.com"))

	o.APIKey = apiKey
	credentials := heymarket.Credentials{Secrets: o.Secrets, APIKey: apiKey}
	things := []any{
		o, &o, o.Secrets, o.Secrets[0], credentials, &credentials, c, *c, old,
		refused, refusedToo, oddAnswer, *failure(t, refused), errors.Join(refused),
	}
	secrets := []string{
		key, apiKey, jwt, jwt[:60],
		fmt.Sprintf("%x", key), fmt.Sprintf("%X", key), fmt.Sprintf("%x", apiKey),
	}
	for _, thing := range things {
		var printed strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T"} {
			fmt.Fprintf(&printed, verb+"\n", thing)
		}
		if raw, err := json.Marshal(thing); err == nil {
			printed.Write(raw)
		}
		for _, secret := range secrets {
			if strings.Contains(printed.String(), secret) {
				t.Errorf("%T prints %q:\n%s", thing, secret, &printed)
			}
		}
	}
	if !strings.Contains(refused.Error(), "***") {
		t.Errorf("the token that the API repeated is not masked: %v", refused)
	}
}
