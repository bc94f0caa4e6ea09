package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// identity is who makes a request.
type identity struct {
	name   string
	role   Role
	bearer bool        // it came with the request itself; a browser would not add it
	form   string      // token that forms must return
	still  func() bool // reports whether it is known, also later
}

type identityKey struct{}

// RoleOf returns what the request with context ctx may do; None outside of a Guard.
func RoleOf(ctx context.Context) Role { return identityOf(ctx).role }

// UserOf returns the name of who makes the request with context ctx; "" outside of a Guard.
func UserOf(ctx context.Context) string { return identityOf(ctx).name }

// FormToken returns what a form in the response must send as FormField, or a script as
// FormHeader; "" outside of a Guard.
func FormToken(ctx context.Context) string { return identityOf(ctx).form }

// StillKnown reports whether the login of the request with context ctx has not ended meanwhile. A response
// that goes on for long asks before each part.
func StillKnown(ctx context.Context) bool {
	still := identityOf(ctx).still
	return still != nil && still()
}

func identityOf(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey{}).(identity)
	return id
}

// Where a request has its FormToken.
const (
	FormField  = "csrf_token"
	FormHeader = "X-CSRF-Token"
)

// identify returns who makes a request. A bearer token that is wrong is no reason to look
// further: the program must know. Credentials of another scheme are a proxy's, which passes them on.
func (g *Guard) identify(r *http.Request) (id identity, known bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		id, known = g.byToken(strings.TrimSpace(token))
		id.bearer = true
		return id, known
	}
	if id, known := g.byProxy(r); known {
		return id, true
	}
	return g.bySession(r)
}

// generated is the name of who logs in with the token that was made.
const generated = "token printed at start"

// byToken returns whose token it is. Its time does not depend on which token is right, or how
// much of one.
func (g *Guard) byToken(value string) (id identity, known bool) {
	tokens := g.options().Tokens
	if made := g.LoginToken(); made != "" {
		tokens = append(slices.Clone(tokens), Token{Name: generated, Value: made, Role: Operate})
	}
	given := digest(value)
	for _, t := range tokens {
		own := digest(t.Value)
		if subtle.ConstantTimeCompare(given[:], own[:]) == 1 {
			id = identity{name: t.Name, role: t.Role}
			known = true
		}
	}
	return id, known
}

// byProxy returns whom a trusted proxy names.
func (g *Guard) byProxy(r *http.Request) (id identity, known bool) {
	p := g.options().Proxy
	if !p.authenticates() || !p.trusts(peer(r)) {
		return identity{}, false
	}
	names := r.Header.Values(p.Header)
	if len(names) != 1 || names[0] == "" { // of several, a client may have sent one
		return identity{}, false
	}
	role := p.Role
	if slices.Contains(p.Operators, names[0]) {
		role = Operate
	}
	return identity{name: names[0], role: role, form: g.formToken("proxy", names[0])}, true
}

func (p Proxy) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// peer returns the address at the other end of the connection, the zero Addr if unknown.
func peer(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap().WithZone("")
}

// Client returns the address of whom a request comes from, the zero Addr if unknown: behind a proxy
// of Networks, the last that it names in X-Forwarded-For.
func (p Proxy) Client(r *http.Request) netip.Addr {
	address := peer(r)
	if !p.trusts(address) {
		return address
	}
	fields := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	last, err := netip.ParseAddr(strings.TrimSpace(fields[len(fields)-1]))
	if err != nil {
		return address
	}
	return last.Unmap().WithZone("")
}

// secure reports whether the client's connection is encrypted, as far as we know.
func (g *Guard) secure(r *http.Request) bool {
	return r.TLS != nil || g.options().Proxy.trusts(peer(r)) && r.Header.Get("X-Forwarded-Proto") == "https"
}

// formToken derives the token of forms from what the identity depends on.
func (g *Guard) formToken(kind, of string) string {
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte(kind + "\x00" + of))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hasFormToken reports whether the request returns the token of its identity.
func (g *Guard) hasFormToken(r *http.Request, id identity) bool {
	given := r.Header.Get(FormHeader)
	if given == "" {
		given = r.PostFormValue(FormField)
	}
	a, b := digest(given), digest(id.form)
	return id.form != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
