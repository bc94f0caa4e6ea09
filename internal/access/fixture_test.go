package access_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"heyrelay/internal/access"
	"heyrelay/internal/events"
	"heyrelay/internal/passhash"
)

const (
	reading   = "a-token-that-may-only-read"
	operating = "a-token-that-may-operate-too"
)

// site is a guarded handler on 127.0.0.1:8025, with a clock that a test can set.
type site struct {
	*testing.T
	guard   *access.Guard
	handler http.Handler
	now     time.Time
	events  []events.Event
}

// Record implements events.Sink.
func (s *site) Record(e events.Event) { s.events = append(s.events, e) }

func open(t *testing.T, o access.Options) *site {
	t.Helper()
	s := &site{T: t, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	o.Now = func() time.Time { return s.now }
	o.Sink = s
	o.Public = []string{"/static/", "/livez"}
	guard, err := access.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.guard = guard
	s.handler = guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.Header().Set("X-Form", access.FormToken(r.Context()))
		_, _ = io.WriteString(w, access.UserOf(r.Context())+" may "+access.RoleOf(r.Context()).String())
	}))
	return s
}

func user(t *testing.T, name, password string, role access.Role) access.User {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u := access.User{Name: name, Role: role}
	u.Password, err = passhash.Parse(string(hash))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// people are a reader, an operator and two programs.
func people(t *testing.T) access.Options {
	return access.Options{
		Users: []access.User{
			user(t, "ann", "sesame", access.Operate),
			user(t, "bob", "barley", access.Read),
		},
		Tokens: []access.Token{
			{Name: "dashboard", Value: reading, Role: access.Read},
			{Name: "script", Value: operating, Role: access.Operate},
		},
	}
}

// request changes a request that would be good but for its identity.
type request func(*http.Request)

func from(address string) request { return func(r *http.Request) { r.RemoteAddr = address } }
func host(name string) request    { return func(r *http.Request) { r.Host = name } }
func header(name, value string) request {
	return func(r *http.Request) { r.Header.Add(name, value) }
}
func bearer(token string) request { return header("Authorization", "Bearer "+token) }

func form(values ...string) request {
	return func(r *http.Request) {
		v := url.Values{}
		for i := 0; i < len(values); i += 2 {
			v.Set(values[i], values[i+1])
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = io.NopCloser(strings.NewReader(v.Encode()))
	}
}

func with(cookies []*http.Cookie) request {
	return func(r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
}

func (s *site) do(method, path string, changes ...request) *http.Response {
	s.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = "127.0.0.1:8025"
	r.RemoteAddr = "127.0.0.1:40000"
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8025}
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, local) // as net/http does
	s.handler.ServeHTTP(w, r.WithContext(ctx))
	return w.Result()
}

// login returns the cookies of a login.
func (s *site) login(name, password string) []*http.Cookie {
	s.Helper()
	resp := s.do("POST", "/login", form("name", name, "password", password))
	if resp.StatusCode != http.StatusSeeOther {
		s.Fatalf("login of %s: %s", name, resp.Status)
	}
	return resp.Cookies()
}

func (s *site) expect(resp *http.Response, status int, part string) {
	s.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	if resp.StatusCode != status || !strings.Contains(string(body), part) {
		s.Errorf("%d %q, want %d with %q", resp.StatusCode, body, status, part)
	}
}
