package smtpd

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Hash is the stored form of a password: argon2id in its usual string format,
// $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY, or bcrypt, $2y$10$…, as htpasswd -B
// writes it. It prints as ***. No password matches the zero Hash.
type Hash struct{ text string }

// The cost of HashPassword: 19 MiB and about 20 ms.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltLength  = 16
	keyLength   = 32
)

// The highest cost of a Hash: any client can cause its computation.
const (
	maxMemory     = 256 << 10 // KiB
	maxTime       = 16
	maxLanes      = 16
	maxBcryptCost = 14
)

// HashPassword returns an argon2id hash for ParseHash. The salt is read from random.
func HashPassword(password string, random io.Reader) (string, error) {
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, keyLength)
	encode := base64.RawStdEncoding.EncodeToString
	cost := fmt.Sprintf("m=%d,t=%d,p=%d", argonMemory, argonTime, argonLanes)
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, cost, encode(salt), encode(key)), nil
}

// ParseHash parses a hash. Its error does not contain the hash.
func ParseHash(text string) (Hash, error) {
	if strings.HasPrefix(text, "$argon2id$") {
		_, err := parseArgon(text)
		return Hash{text}, err
	}
	cost, err := bcrypt.Cost([]byte(text))
	switch {
	case err != nil:
		return Hash{}, errors.New("unknown password hash format: create a hash with heyrelay passwd or htpasswd -B")
	case cost > maxBcryptCost:
		return Hash{}, fmt.Errorf("bcrypt cost %d is too high: the limit is %d", cost, maxBcryptCost)
	}
	return Hash{text}, nil
}

// String returns ***.
func (h Hash) String() string { return "***" }

// GoString returns ***.
func (h Hash) GoString() string { return "***" }

// matches reports whether h is the hash of password. It takes as long as the hash costs.
func (h Hash) matches(password string) bool {
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

// argon is a parsed argon2id hash (RFC 9106).
type argon struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parseArgon(text string) (a argon, err error) {
	f := strings.Split(text, "$") // "", argon2id, v=19, m=…, salt, key
	wrong := errors.New("malformed argon2id hash: create one with heyrelay passwd")
	if len(f) != 6 || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return a, wrong
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &a.memory, &a.time, &a.lanes); err != nil {
		return a, wrong
	}
	a.salt, err = base64.RawStdEncoding.DecodeString(f[4])
	if err != nil || len(a.salt) < 8 || len(a.salt) > 64 {
		return a, wrong
	}
	a.key, err = base64.RawStdEncoding.DecodeString(f[5])
	switch {
	case err != nil || len(a.key) < 16 || len(a.key) > 64 || a.time == 0 || a.lanes == 0:
		return a, wrong
	case a.memory > maxMemory || a.time > maxTime || a.lanes > maxLanes:
		return a, fmt.Errorf("argon2id cost is too high: the limit is m=%d,t=%d,p=%d", maxMemory, maxTime, maxLanes)
	}
	return a, nil
}
