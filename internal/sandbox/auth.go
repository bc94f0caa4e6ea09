package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long after its iat a token is valid.
const tokenLife = 5 * time.Minute

// authenticate returns the team whose credentials a request has.
func (s *Sandbox) authenticate(h http.Header) (*team, error) {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return nil, fmt.Errorf("%d Authorization fields, want one", len(values))
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok || token == "" {
		return nil, errors.New("the Authorization field is not \"Bearer TOKEN\"")
	}
	for _, t := range s.teams {
		if slices.Contains(t.APIKeys, token) {
			return t, nil
		}
	}
	return s.verify(token)
}

// verify checks a JSON Web Token by hand (RFC 7519): exactly the header and the
// claims that the API documents, signed with "id||key".
func (s *Sandbox) verify(token string) (*team, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the token is neither a known API key nor a JWT")
	}
	header, err := decodePart(parts[0], "alg", "typ")
	if err != nil {
		return nil, fmt.Errorf("the token's header: %w", err)
	}
	if header["alg"] != "HS256" || header["typ"] != "JWT" {
		return nil, fmt.Errorf("the token's alg and typ are %v and %v, want HS256 and JWT", header["alg"], header["typ"])
	}
	claims, err := decodePart(parts[1], "iss", "iat")
	if err != nil {
		return nil, fmt.Errorf("the token's claims: %w", err)
	}
	t, secret, ok := s.issuer(claims["iss"])
	if !ok {
		return nil, errors.New("the token's iss is not a known secret id")
	}
	mac := hmac.New(sha256.New, []byte(secret.ID+"||"+secret.Key))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return nil, errors.New("invalid signature of the token")
	}
	return t, s.timely(claims["iat"])
}

// decodePart decodes one part of a token. Only the given names are allowed.
func decodePart(part string, names ...string) (map[string]any, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errors.New("not base64url without padding")
	}
	fields, err := readObject(raw)
	if err != nil {
		return nil, err
	}
	for name := range fields {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%q is not documented", name)
		}
	}
	return fields, nil
}

// issuer returns the secret that a token names.
func (s *Sandbox) issuer(iss any) (*team, Secret, bool) {
	for _, t := range s.teams {
		for _, secret := range t.Secrets {
			if iss == secret.ID {
				return t, secret, true
			}
		}
	}
	return nil, Secret{}, false
}

// timely checks that a token was issued within the last five minutes.
func (s *Sandbox) timely(iat any) error {
	number, _ := iat.(json.Number)
	seconds, err := number.Int64()
	if err != nil {
		return errors.New("the token's iat is not an integer")
	}
	age := s.o.Now().Sub(time.Unix(seconds, 0))
	if age < 0 {
		return fmt.Errorf("the token's iat is %v in the future", -age)
	}
	if age > tokenLife {
		return fmt.Errorf("the token is %v old, more than %v", age, tokenLife)
	}
	return nil
}
