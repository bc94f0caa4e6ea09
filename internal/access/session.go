package access

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"

	"heyrelay/internal/passhash"
)

// maxSessions bounds the sessions; the one that would end first gives way to a new one.
const maxSessions = 1000

// sessions are the logins that have not ended. They live in this process only.
type sessions struct {
	now func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]session // by the digest of the cookie
}

// session is one login.
type session struct {
	user     string
	password passhash.Hash // with which a user logged in
	token    string        // with which it began instead
	expires  time.Time
}

func newSessions(o Options) *sessions {
	return &sessions{now: o.Now, all: make(map[[sha256.Size]byte]session)}
}

// add begins a session and removes those that have ended.
func (s *sessions) add(cookie string, begun session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for key, other := range s.all {
		if !now.Before(other.expires) {
			delete(s.all, key)
		}
	}
	if len(s.all) >= maxSessions {
		s.dropFirst()
	}
	s.all[digest(cookie)] = begun
}

// dropFirst removes the session that would end first.
func (s *sessions) dropFirst() {
	var first [sha256.Size]byte
	var ends time.Time
	for key, other := range s.all {
		if ends.IsZero() || other.expires.Before(ends) {
			first = key
			ends = other.expires
		}
	}
	delete(s.all, first)
}

// get returns the session of a cookie.
func (s *sessions) get(cookie string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.all[digest(cookie)]
	return found, ok && s.now().Before(found.expires)
}

func (s *sessions) remove(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, digest(cookie))
}

// Names of the cookie. A browser accepts the first over TLS only, and from no other host.
const (
	secureCookie = "__Host-heyrelay"
	plainCookie  = "heyrelay"
)

// begin starts a session and sets its cookie.
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, s session) error {
	cookie, err := randomText(g.options().Random)
	if err != nil {
		return err
	}
	length := g.options().Session
	s.expires = g.sessions.now().Add(length)
	g.sessions.add(cookie, s)
	http.SetCookie(w, g.cookie(r, cookie, int(length.Seconds())))
	return nil
}

func (g *Guard) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	c := &http.Cookie{
		Name:     plainCookie,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
	}
	if g.secure(r) {
		c.Name = secureCookie
		c.Secure = true
	}
	return c
}

// sessionCookie returns the value of the request's cookie, "" for none.
func (g *Guard) sessionCookie(r *http.Request) string {
	name := plainCookie
	if g.secure(r) {
		name = secureCookie
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// bySession returns whose session it is. The role is that of now, and a session ends with the
// user, the password or the token with which it began.
func (g *Guard) bySession(r *http.Request) (id identity, known bool) {
	cookie := g.sessionCookie(r)
	s, ok := g.sessions.get(cookie)
	if !ok {
		return identity{}, false
	}
	if s.token != "" {
		id, known = g.byToken(s.token)
	} else {
		id, known = g.byUser(s)
	}
	id.form = g.formToken("session", cookie)
	return id, known
}

func (g *Guard) byUser(s session) (id identity, known bool) {
	users := g.options().Users
	i := slices.IndexFunc(users, func(u User) bool { return u.Name == s.user && u.Password == s.password })
	if i < 0 {
		return identity{}, false
	}
	return identity{name: s.user, role: users[i].Role}, true
}
