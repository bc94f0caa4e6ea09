package heymarket

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLife is how long a token is used. The API takes one for 5 minutes after
// its iat; the rest is for clocks that differ and for requests that wait.
const tokenLife = 4 * time.Minute

// Secret is a Heymarket API secret. It prints as ***.
type Secret struct {
	ID  string
	Key string `json:"-"`
}

// Format prints the id and *** for the key, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{%s ***}", s.ID) }

// check says what is wrong with s, in words that do not hold the key.
func (s Secret) check() error {
	if s.ID == "" || s.Key == "" {
		return errors.New("a secret needs both its id and its key")
	}
	if strings.ContainsFunc(s.ID+s.Key, notVisible) {
		return errors.New("a secret has white space or a control character in its id or key; look for a line end that was copied with it")
	}
	return nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// keyring holds the credentials of a team in the order in which they are tried.
// Keys are held inside functions, where no verb of fmt reaches them.
type keyring struct {
	all   []*credential
	first atomic.Int32 // the one that worked last
}

// newKeyring returns the secrets in their order, and after them the API key.
func newKeyring(secrets []Secret, apiKey string) (*keyring, error) {
	k := new(keyring)
	if len(secrets) > 2 {
		return nil, errors.New("a team has at most two secrets at a time")
	}
	for _, s := range secrets {
		if err := s.check(); err != nil {
			return nil, err
		}
		k.all = append(k.all, &credential{sign: s.sign})
	}
	if strings.ContainsFunc(apiKey, notVisible) {
		return nil, errors.New("the API key has white space or a control character in it; look for a line end that was copied with it")
	}
	if apiKey != "" {
		k.all = append(k.all, &credential{sign: func(time.Time) (string, error) { return apiKey, nil }})
	}
	if len(k.all) == 0 {
		return nil, errors.New("a secret or an API key is needed")
	}
	return k, nil
}

// inTurn returns the indices of the credentials, the one that worked last first.
func (k *keyring) inTurn() []int {
	turn, first := make([]int, len(k.all)), int(k.first.Load())
	for i := range turn {
		turn[i] = (first + i) % len(k.all)
	}
	return turn
}

// credential is one way to say who we are.
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
	// A clock that went back makes the token one of the future: make another.
	if age := now.Sub(c.made); c.token != "" && age >= 0 && age < tokenLife {
		return c.token, false, nil
	}
	token, err := c.sign(now)
	if err != nil {
		return "", false, fmt.Errorf("sign a token: %w", err)
	}
	c.token, c.made = token, now
	return token, true, nil
}

// drop forgets token, unless another one has taken its place meanwhile.
func (c *credential) drop(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == token {
		c.token = ""
	}
}

// sign makes the token of https://developers.heymarket.com/authentication: HS256,
// signed with id and key joined by two vertical bars.
func (s Secret) sign(now time.Time) (string, error) {
	claims := jwt.MapClaims{"iss": s.ID, "iat": now.Unix()}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s.ID + "||" + s.Key))
}
