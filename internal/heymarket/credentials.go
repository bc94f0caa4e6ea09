package heymarket

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The API accepts a token for 5 minutes after its iat, and never one whose iat is
// in the future. The iat is therefore set back, so that a clock that is ahead by
// less than that does no harm. What is left of the 5 minutes is for a clock that
// is behind and for the call itself.
const (
	tokenLife = 3*time.Minute + 30*time.Second // how long the client uses a token
	setBack   = 30 * time.Second               // how old a token is when it is made
)

// Credentials authenticate a team.
type Credentials struct {
	Secrets []Secret // up to two, tried in order
	APIKey  string   `json:"-"` // legacy, tried after the secrets
}

// Format prints c without keys, for every verb.
func (c Credentials) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{%v api_key=%t}", c.Secrets, c.APIKey != "")
}

// Secret is a Heymarket API secret. It prints as ***.
type Secret struct {
	ID  string
	Key string `json:"-"`
}

// Format prints the id and *** for the key, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{%s ***}", s.ID) }

// check validates s. Its errors do not hold the key.
func (s Secret) check() error {
	if s.ID == "" || s.Key == "" {
		return errors.New("a secret needs both an id and a key")
	}
	if strings.ContainsFunc(s.ID+s.Key, notVisible) {
		return errors.New("the id or key of a secret contains white space or a control character; " +
			"remove it, or the line end that was copied with it")
	}
	return nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// keyring holds the credentials of a team in the order in which they are tried.
// Keys are held inside functions, where no verb of fmt reaches them.
type keyring struct {
	all   []*credential
	first atomic.Int32 // index of the one that worked last
	sum   [32]byte     // of ids and keys, to compare keyrings
}

// newKeyring returns the secrets in their order, followed by the API key.
func newKeyring(c Credentials) (*keyring, error) {
	k := new(keyring)
	if len(c.Secrets) > 2 {
		return nil, errors.New("a team has at most two secrets; remove the others")
	}
	sum := sha256.New()
	for _, s := range c.Secrets {
		if err := s.check(); err != nil {
			return nil, err
		}
		k.all = append(k.all, &credential{sign: s.sign})
		fmt.Fprintf(sum, "%q %q\n", s.ID, s.Key) // quoted: no id or key has white space
	}
	if strings.ContainsFunc(c.APIKey, notVisible) {
		return nil, errors.New("the API key contains white space or a control character; " +
			"remove it, or the line end that was copied with it")
	}
	if c.APIKey != "" {
		apiKey := c.APIKey
		k.all = append(k.all, &credential{sign: func(time.Time) (string, error) { return apiKey, nil }})
		fmt.Fprintf(sum, "%q\n", apiKey)
	}
	if len(k.all) == 0 {
		return nil, errors.New("no credentials: a secret or an API key is required")
	}
	sum.Sum(k.sum[:0])
	return k, nil
}

// order returns the indices of the credentials, the one that worked last first.
func (k *keyring) order() []int {
	indices, first := make([]int, len(k.all)), int(k.first.Load())
	for i := range indices {
		indices[i] = (first + i) % len(k.all)
	}
	return indices
}

// keychain holds the keyring in use and replaces it.
type keychain struct {
	current atomic.Pointer[keyring]
	source  func() (Credentials, error) // nil if the credentials never change

	mu sync.Mutex // held during a reload
}

// reload returns the keyring to use in place of old: the one that another call
// has put there meanwhile, or one made of what the source returns; old itself if
// nothing has changed.
func (k *keychain) reload(old *keyring) (*keyring, error) {
	if k.source == nil {
		return old, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if current := k.current.Load(); current != old {
		return current, nil
	}
	credentials, err := k.source()
	if err != nil {
		return nil, err
	}
	current, err := newKeyring(credentials)
	if err != nil {
		return nil, err
	}
	if current.sum == old.sum {
		return old, nil // with its cached tokens
	}
	k.current.Store(current)
	return current, nil
}

// Reload asks Options.Source for the credentials and uses them for the calls that
// begin from now on. It reports whether they have changed. On an error, which
// includes invalid credentials, the old ones stay in use. Without a Source it does
// nothing.
func (c *Client) Reload() (changed bool, err error) {
	old := c.keys.current.Load()
	current, err := c.keys.reload(old)
	return err == nil && current != old, err
}

// credential is one way to authenticate.
type credential struct {
	sign func(now time.Time) (string, error)

	mu    sync.Mutex
	token string // "" for none
	made  time.Time
}

// bearer returns the token to send, and whether it was made just now.
func (c *credential) bearer(now time.Time) (token string, fresh bool, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// If the clock was set back, the token is one of the future: make another.
	age := now.Sub(c.made)
	if c.token != "" && age >= 0 && age < tokenLife {
		return c.token, false, nil
	}
	token, err := c.sign(now)
	if err != nil {
		return "", false, fmt.Errorf("sign a token: %w", err)
	}
	c.token = token
	c.made = now
	return token, true, nil
}

// drop forgets token, unless it has been replaced meanwhile.
func (c *credential) drop(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == token {
		c.token = ""
	}
}

// sign makes a token (https://developers.heymarket.com/authentication): HS256,
// signed with id and key joined by two vertical bars.
func (s Secret) sign(now time.Time) (string, error) {
	claims := jwt.MapClaims{"iss": s.ID, "iat": now.Add(-setBack).Unix()}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s.ID + "||" + s.Key))
}
