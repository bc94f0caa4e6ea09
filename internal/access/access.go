// Package access decides who may do what over HTTP.
//
// A [Guard] wraps everything that the console's listener serves. A request passes if its Host is
// one of ours, which defeats DNS rebinding; if no page of another origin made it; and if it
// proves an identity with a sufficient [Role]. An identity comes from a bearer token, from a
// session that began with a password or a token, or from a header field that a trusted proxy
// sets. Nothing is served to anybody else, except paths that [Options] names as public.
//
// Reading needs [Read]. Every method that changes something needs [Operate] and, unless a bearer
// token came with it, the [FormToken] of its page, so that no other page can make a browser send
// it.
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"heyrelay/internal/events"
	"heyrelay/internal/passhash"
	"heyrelay/internal/problem"
)

// Role is what an identity may do.
type Role int8

// The roles; each includes those before it.
const (
	None    Role = iota // nothing
	Read                // see everything, message content included
	Operate             // retry, drop, hold and release
)

// String returns the role's name in the configuration.
func (r Role) String() string { return [...]string{"none", "read", "operate"}[r] }

// RoleNamed returns the role with a name in the configuration, None for any other name.
func RoleNamed(name string) Role {
	return map[string]Role{"read": Read, "operate": Operate}[name]
}

// User is a person who logs in with a password.
type User struct {
	Name     string
	Password passhash.Hash
	Role     Role
}

// Token is a bearer token of a program (RFC 6750).
type Token struct {
	Name  string // for the log
	Value string
	Role  Role
}

// Proxy is a reverse proxy that authenticates people and names them in a header field. It is in
// use if there are Networks.
type Proxy struct {
	Networks  []netip.Prefix // only from these addresses the fields are believed
	Header    string         // has the user's name; "" where the proxy authenticates nobody
	Role      Role           // of the users that Operators does not name
	Operators []string
}

// Options are what a Guard is made of.
type Options struct {
	Hosts   []string // names by which browsers and programs call us, beside localhost and our addresses
	Users   []User
	Tokens  []Token
	Proxy   Proxy
	Public  []string      // paths that need no login; one that ends in "/" stands for all below
	Session time.Duration // how long a login lasts; default 12h

	// Loopback means that only this machine can connect. Then a random token is made if
	// nothing else is configured.
	Loopback bool

	Sink   events.Sink      // receives logins; default: none
	Now    func() time.Time // default time.Now
	Random io.Reader        // default crypto/rand.Reader
}

// ErrOpen is the error of New and Update where anyone would have access.
var ErrOpen = errors.New("the console would be open to anyone: " +
	"add console.users, console.tokens or console.proxy, or listen on 127.0.0.1")

// Guard controls the access to a handler. Make one with New.
type Guard struct {
	o        Options
	token    string // made here, "" until it is needed
	key      [32]byte
	origins  *http.CrossOriginProtection
	logins   *logins
	sessions *sessions

	mu sync.RWMutex // guards o and token
}

// New returns a Guard. The error is ErrOpen, or one of reading Random.
func New(o Options) (*Guard, error) {
	o.setDefaults()
	g := &Guard{o: o, origins: http.NewCrossOriginProtection(), logins: newLogins(o.Now), sessions: newSessions(o)}
	if _, err := io.ReadFull(o.Random, g.key[:]); err != nil {
		return nil, err
	}
	var err error
	g.token, err = g.tokenFor(o)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// tokenFor returns the token that lets people in where options name nobody: the one made before, or
// else a new one. Where they name somebody, there may be none.
func (g *Guard) tokenFor(o Options) (string, error) {
	switch {
	case o.closed():
		return g.token, nil
	case !o.Loopback:
		return "", ErrOpen
	case g.token != "":
		return g.token, nil
	}
	return randomText(g.o.Random)
}

func (o *Options) setDefaults() {
	if o.Session == 0 {
		o.Session = 12 * time.Hour
	}
	if o.Sink == nil {
		o.Sink = events.Sinks{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
}

// closed reports whether the options name somebody who has access.
func (o *Options) closed() bool {
	return len(o.Users) > 0 || len(o.Tokens) > 0 || o.Proxy.authenticates()
}

func (p Proxy) authenticates() bool { return len(p.Networks) > 0 && p.Header != "" }

// LoginToken returns the token that was made because the options name nobody; "" once they do. It
// may operate until then.
func (g *Guard) LoginToken() string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.o.closed() {
		return ""
	}
	return g.token
}

// Update replaces users, tokens, proxy, hosts, public paths and the length of new sessions.
// Sessions of users that are gone, or have another password, end. With options that name nobody,
// there is a LoginToken, or the error is ErrOpen if others than this machine can connect. With an
// error, nothing changes.
func (g *Guard) Update(o Options) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, err := g.tokenFor(o)
	if err != nil {
		return err
	}
	g.token = token
	g.o.Hosts = o.Hosts
	g.o.Users = o.Users
	g.o.Tokens = o.Tokens
	g.o.Proxy = o.Proxy
	g.o.Public = o.Public
	if o.Session != 0 {
		g.o.Session = o.Session
	}
	return nil
}

// options returns a copy of the options as they are now.
func (g *Guard) options() Options {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.o
}

// MaxBody is the size of the largest request body, in bytes.
const MaxBody = 1 << 20

// Wrap returns a handler that serves /login and /logout itself, and passes to next what may
// pass. It bounds the body, and sets header fields that next may replace.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+LoginPath, g.showLogin)
	mux.HandleFunc("POST "+LoginPath, g.login)
	mux.HandleFunc("POST "+LogoutPath, g.logout)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { g.pass(w, r, next) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeader(w.Header())
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		if refusal := g.misdirected(r); refusal != nil {
			refuse(w, r, *refusal)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// setHeader sets the defences that browsers know. Scripts, styles and images come from our own
// paths only; nobody may frame a page, or guess the type of a response.
func setHeader(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make the Origin of our own forms null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// pass serves a request that proves an identity, or needs none.
func (g *Guard) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if g.public(r.URL.Path) {
		next.ServeHTTP(w, r)
		return
	}
	id, known := g.identify(r)
	id.still = func() bool {
		now, known := g.identify(r)
		return known && now.name == id.name
	}
	switch {
	case !known:
		g.demandLogin(w, r)
	case isSafe(r.Method):
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, id)))
	case id.role < Operate:
		refuse(w, r, problem.Problem{
			Status: http.StatusForbidden,
			Detail: "your role is " + id.role.String() + ", but this requires the role operate",
			Remedy: "ask the administrator for the role operate",
		})
	case !id.bearer && !g.hasFormToken(r, id):
		refuse(w, r, problem.Problem{
			Status: http.StatusForbidden,
			Detail: "the form's token is missing or belongs to another login",
			Field:  FormField,
			Remedy: "reload the page and try again; a program sends its token as Authorization: Bearer",
		})
	default:
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, id)))
	}
}

// public reports whether a path needs no login.
func (g *Guard) public(path string) bool {
	for _, p := range g.options().Public {
		if path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// isSafe reports whether a method only reads (RFC 9110, section 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// demandLogin answers 401 to programs, and sends people to the login page.
func (g *Guard) demandLogin(w http.ResponseWriter, r *http.Request) {
	if isAPI(r) || !isSafe(r.Method) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="heyrelay"`)
		refuse(w, r, problem.Problem{
			Status: http.StatusUnauthorized,
			Detail: "the request has no valid login",
			Field:  "Authorization",
			Remedy: "log in at " + LoginPath + ", or send a token as Authorization: Bearer TOKEN",
		})
		return
	}
	http.Redirect(w, r, loginURL(r.URL.RequestURI()), http.StatusSeeOther)
}

// isAPI reports whether a program made the request, which reads problem documents.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// refuse answers with a problem: as JSON to programs, as a line of text to people.
func refuse(w http.ResponseWriter, r *http.Request, p problem.Problem) {
	if isAPI(r) {
		problem.Write(w, p)
		return
	}
	http.Error(w, p.Detail+"\n"+p.Remedy, p.Status)
}

// randomText returns 256 random bits as text for a URL.
func randomText(random io.Reader) (string, error) {
	var b [32]byte
	_, err := io.ReadFull(random, b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]), err
}

// digest makes secrets of any length comparable in constant time.
func digest(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }
