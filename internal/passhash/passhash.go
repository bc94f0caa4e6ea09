// Package passhash makes password hashes, decides which are acceptable, and compares
// passwords with them. The configuration, the SMTP server and the console share it, so that
// "heyrelay check" accepts exactly the hashes that the server can use.
package passhash

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Hash is a password hash: argon2id in its usual string format,
// $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY, or bcrypt, $2y$10$…, as htpasswd -B
// writes it. However it is printed or marshalled, it is ***. The zero Hash matches
// no password.
type Hash struct{ text string }

// The cost of New: 19 MiB and about 20 ms.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltLength  = 16 // octets
	keyLength   = 32 // octets
)

// The highest cost of a Hash. Every client can cause its computation.
const (
	maxMemory     = 256 << 10 // KiB
	maxTime       = 16
	maxLanes      = 16
	maxBcryptCost = 14
)

// New returns the argon2id hash of password as text that Parse reads. random
// provides the salt.
func New(password string, random io.Reader) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, keyLength)
	encode := base64.RawStdEncoding.EncodeToString
	cost := fmt.Sprintf("v=%d$m=%d,t=%d,p=%d", argon2.Version, argonMemory, argonTime, argonLanes)
	return "$argon2id$" + cost + "$" + encode(salt) + "$" + encode(key), nil
}

// Parse reads a hash. Its error explains how to make one, and does not contain text,
// which may be the password itself.
func Parse(text string) (Hash, error) {
	check := checkBcrypt
	if strings.HasPrefix(text, "$argon2id$") {
		check = checkArgon
	}
	if err := check(text); err != nil {
		return Hash{}, err
	}
	return Hash{text}, nil
}

// UnmarshalText reads a Hash as Parse does.
func (h *Hash) UnmarshalText(text []byte) (err error) {
	*h, err = Parse(string(text))
	return err
}

// String returns ***.
func (h Hash) String() string { return "***" }

// GoString returns ***.
func (h Hash) GoString() string { return "***" }

// MarshalText returns ***.
func (h Hash) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Matches reports whether h is the hash of password. It takes as long as the hash
// costs.
func (h Hash) Matches(password string) bool {
	if !strings.HasPrefix(h.text, "$argon2id$") {
		return bcrypt.CompareHashAndPassword([]byte(h.text), []byte(password)) == nil
	}
	a, err := parseArgon(h.text)
	if err != nil {
		return false
	}
	key := argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.lanes, uint32(len(a.key)))
	return subtle.ConstantTimeCompare(key, a.key) == 1
}

// Cost estimates how long Matches takes. It serves to compare hashes of different kinds: the
// factors are those of one processor in 2026.
func (h Hash) Cost() time.Duration {
	if a, err := parseArgon(h.text); err == nil {
		return time.Duration(a.memory) * time.Duration(a.time) * 550 * time.Nanosecond // 19 MiB twice: 21 ms
	}
	cost, err := bcrypt.Cost([]byte(h.text))
	if err != nil {
		return 0
	}
	return 50 * time.Microsecond << cost // cost 10: 51 ms
}

// Slowest is how long the slowest hash took so far. A failure that takes as long reveals neither
// the kind of a hash nor whether a user exists. Many goroutines may use it; the zero value has
// seen none.
type Slowest struct {
	mu   sync.Mutex
	took time.Duration
}

// Observe records how long a hash took, and returns the longest time so far. One beyond a second
// is that of a busy machine, and counts as a second.
func (s *Slowest) Observe(took time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = min(max(s.took, took), time.Second)
	return s.took
}

// checkBcrypt checks a hash of bcrypt.
func checkBcrypt(text string) error {
	form := regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil || !form.MatchString(text):
		return errors.New("create an argon2id or bcrypt hash with heyrelay passwd or htpasswd -B, and quote it")
	case cost > maxBcryptCost:
		return fmt.Errorf("create it with a bcrypt cost of at most %d; this one has %d", maxBcryptCost, cost)
	}
	return nil
}

func checkArgon(text string) error {
	_, err := parseArgon(text)
	return err
}

// argon is an argon2id hash (RFC 9106) taken apart.
type argon struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parseArgon(text string) (a argon, err error) {
	f := strings.Split(text, "$") // "", argon2id, v=19, m=…, salt, key
	incomplete := errors.New("create a complete argon2id hash with heyrelay passwd")
	if len(f) != 6 || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return a, incomplete
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.lanes); err != nil {
		return a, incomplete
	}
	if f[3] != fmt.Sprintf("m=%d,t=%d,p=%d", a.memory, a.time, a.lanes) {
		return a, incomplete
	}
	a.salt, err = base64.RawStdEncoding.DecodeString(f[4])
	if err != nil || len(a.salt) < 8 || len(a.salt) > 64 {
		return a, incomplete
	}
	a.key, err = base64.RawStdEncoding.DecodeString(f[5])
	switch {
	case err != nil || len(a.key) < 16 || len(a.key) > 64 || a.time == 0 || a.lanes == 0:
		return a, incomplete
	case a.memory > maxMemory || a.time > maxTime || a.lanes > maxLanes:
		return a, fmt.Errorf("create it with a cost of at most m=%d,t=%d,p=%d", maxMemory, maxTime, maxLanes)
	}
	return a, nil
}
