package access_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"heyrelay/internal/access"
	"heyrelay/internal/events"
	"heyrelay/internal/passhash"
)

// Nothing is served to anybody without an identity, on whatever address.
func TestNeverOpen(t *testing.T) {
	s := open(t, access.Options{Loopback: true})
	s.expect(s.do("GET", "/api/v1/messages"), 401, "no valid login")
	s.expect(s.do("POST", "/messages"), 401, "no valid login")
	resp := s.do("GET", "/messages?route=a")
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/login?next=%2Fmessages%3Froute%3Da" {
		t.Errorf("%s to %s", resp.Status, resp.Header.Get("Location"))
	}
	s.expect(s.do("GET", "/livez"), 200, "may none")
	s.expect(s.do("GET", "/livez/more"), 303, "")
	if _, err := access.New(access.Options{}); !errors.Is(err, access.ErrOpen) {
		t.Errorf("beyond this machine: %v", err)
	}
	proxy := access.Proxy{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
	if _, err := access.New(access.Options{Proxy: proxy}); !errors.Is(err, access.ErrOpen) {
		t.Errorf("behind a proxy that authenticates nobody: %v", err)
	}
}

// The token printed at start logs in, and does not stay in the address.
func TestLoginToken(t *testing.T) {
	s := open(t, access.Options{Loopback: true})
	token := s.guard.LoginToken()
	if len(token) < 40 || token == open(t, access.Options{Loopback: true}).guard.LoginToken() {
		t.Fatalf("token %q", token)
	}
	const hint = "heyrelay printed an address that logs you in"
	s.expect(s.do("GET", "/login"), 200, hint)
	resp := s.do("GET", "/login?token="+token)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
		t.Fatalf("%s to %s", resp.Status, resp.Header.Get("Location"))
	}
	s.expect(s.do("GET", "/", with(resp.Cookies())), 200, "token printed at start may operate")
	s.expect(s.do("GET", "/api/v1/x", bearer(token)), 200, "may operate")
	s.expect(s.do("GET", "/login?token="+token[1:]), 401, "wrong")
	cookies := resp.Cookies()
	if err := s.guard.Update(people(t)); err != nil || s.guard.LoginToken() != "" {
		t.Errorf("a token beside configured users: %q, %v", s.guard.LoginToken(), err)
	}
	page, err := io.ReadAll(s.do("GET", "/login").Body)
	if err != nil || strings.Contains(string(page), hint) {
		t.Errorf("a hint at an address that no longer works: %s, %v", page, err)
	}
	s.expect(s.do("GET", "/api/v1/x", bearer(token)), 401, "")
	s.expect(s.do("GET", "/", with(cookies)), 303, "")
}

// Once the options name nobody any more, a token is made, if only this machine can connect.
func TestTokenOfUpdate(t *testing.T) {
	s := open(t, people(t))
	if err := s.guard.Update(access.Options{Loopback: true}); err != nil {
		t.Fatal(err)
	}
	token := s.guard.LoginToken()
	if len(token) < 40 {
		t.Fatalf("token %q", token)
	}
	s.expect(s.do("GET", "/api/v1/x", bearer(token)), 200, "may operate")
	s.expect(s.do("GET", "/api/v1/x", bearer(operating)), 401, "")
	s.expect(s.do("GET", "/api/v1/x"), 401, "")
	if err := s.guard.Update(people(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.guard.Update(access.Options{}); !errors.Is(err, access.ErrOpen) {
		t.Errorf("an update that opens: %v", err)
	}
}

// A bearer token has its role, and a wrong one none, whatever else the request has.
func TestBearer(t *testing.T) {
	s := open(t, people(t))
	s.expect(s.do("GET", "/api/v1/x", bearer(reading)), 200, "dashboard may read")
	s.expect(s.do("POST", "/api/v1/x", bearer(operating)), 200, "script may operate")
	cookies := s.login("ann", "sesame")
	for _, wrong := range []string{"", "x", reading[1:], reading + "x", strings.ToUpper(reading)} {
		s.expect(s.do("GET", "/api/v1/x", bearer(wrong), with(cookies)), 401, "Authorization")
	}
	s.expect(s.do("GET", "/api/v1/x", header("Authorization", "Basic "+reading)), 401, "")
	resp := s.do("POST", "/api/v1/x", bearer(reading))
	var p struct{ Detail, Remedy string }
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != 403 {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	if !strings.Contains(p.Detail, "your role is read") || !strings.Contains(p.Remedy, "operate") {
		t.Errorf("%+v", p)
	}
}

// A name that another party could give to our address is refused, also for probes.
func TestForeignHost(t *testing.T) {
	o := people(t)
	o.Hosts = []string{"Relay.example.com", "10.0.0.9"}
	s := open(t, o)
	for _, name := range []string{
		"127.0.0.1:8025", "127.0.0.1", "localhost:9000", "LOCALHOST", "localhost.", "[::1]:8025", "127.8.8.8",
		"relay.example.com", "relay.EXAMPLE.com:8443", "10.0.0.9:80", "192.0.2.7:8025",
	} {
		s.expect(s.do("GET", "/x", bearer(reading), host(name)), 200, "may read")
	}
	for _, name := range []string{
		"evil.example", "evil.example:8025", "relay.example.com.evil.example", "127.0.0.1.evil.example",
		"localhost.evil.example", "192.0.2.8", "", "[::2]", "x.localhost",
	} {
		for _, path := range []string{"/api/v1/x", "/livez", "/static/x", "/login"} {
			s.expect(s.do("GET", path, bearer(reading), host(name)), 421, "console.hosts")
		}
	}
}

// A page of another origin can make a browser send a request, and reads or changes nothing.
func TestForeignOrigin(t *testing.T) {
	s := open(t, people(t))
	cookies := s.login("ann", "sesame")
	token := s.do("GET", "/", with(cookies)).Header.Get("X-Form")
	own := header("Origin", "http://127.0.0.1:8025")
	s.expect(s.do("POST", "/x", with(cookies), form("csrf_token", token), own), 200, "ann may operate")
	for name, foreign := range map[string]request{
		"origin":       header("Origin", "http://evil.example"),
		"null":         header("Origin", "null"),
		"another port": header("Origin", "http://127.0.0.1:8026"),
		"cross-site":   header("Sec-Fetch-Site", "cross-site"),
		"same-site":    header("Sec-Fetch-Site", "same-site"),
	} {
		t.Run(name, func(*testing.T) {
			s.expect(s.do("POST", "/x", with(cookies), form("csrf_token", token), foreign), 403, "another origin")
			s.expect(s.do("POST", "/login", form("name", "ann", "password", "sesame"), foreign), 403, "another origin")
			s.expect(s.do("GET", "/x", with(cookies), foreign), 403, "another origin")
			s.expect(s.do("GET", "/api/v1/x", bearer(operating), foreign), 403, "another origin")
		})
	}
	link := []request{
		header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-Dest", "document"),
	}
	s.expect(s.do("GET", "/login", link...), 200, "Log in")
	s.expect(s.do("POST", "/login", link...), 403, "another origin")
}

// What changes something needs the form's token, unless a bearer token came with it.
func TestFormToken(t *testing.T) {
	s := open(t, people(t))
	ann, other := s.login("ann", "sesame"), s.login("ann", "sesame")
	token := s.do("GET", "/", with(ann)).Header.Get("X-Form")
	foreign := s.do("GET", "/", with(other)).Header.Get("X-Form")
	s.expect(s.do("POST", "/x", with(ann), form("csrf_token", token)), 200, "ann may operate")
	s.expect(s.do("DELETE", "/x", with(ann), header("X-CSRF-Token", token)), 200, "ann may operate")
	for _, wrong := range []string{"", "x", foreign} {
		s.expect(s.do("POST", "/x", with(ann), form("csrf_token", wrong)), 403, "form's token")
		s.expect(s.do("POST", "/logout", with(ann), form("csrf_token", wrong)), 403, "form's token")
	}
	s.expect(s.do("POST", "/x?csrf_token="+token, with(ann)), 403, "form's token")
	if bearers := s.do("GET", "/", bearer(operating)).Header.Get("X-Form"); bearers != "" {
		t.Errorf("a form token %q for a program", bearers)
	}
}

// Reading does not allow to change anything, whichever way one logs in.
func TestRoleRefused(t *testing.T) {
	s := open(t, people(t))
	bob := s.login("bob", "barley")
	resp := s.do("GET", "/", with(bob))
	token := resp.Header.Get("X-Form")
	s.expect(resp, 200, "bob may read")
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		s.expect(s.do(method, "/x", with(bob), header("X-CSRF-Token", token)), 403, "your role is read")
	}
	resp = s.do("POST", "/logout", with(bob), form("csrf_token", token))
	if resp.StatusCode != http.StatusSeeOther {
		t.Errorf("logout: %s", resp.Status)
	}
}

// A session ends with its time, with its logout, and with its user.
func TestSessionEnds(t *testing.T) {
	o := people(t)
	s := open(t, o)
	cookies := s.login("ann", "sesame")
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.MaxAge != 12*3600 {
		t.Errorf("cookie %+v", c)
	}
	s.now = s.now.Add(12*time.Hour - time.Second)
	s.expect(s.do("GET", "/", with(cookies)), 200, "ann")
	s.now = s.now.Add(time.Second)
	s.expect(s.do("GET", "/", with(cookies)), 303, "")

	cookies = s.login("ann", "sesame")
	token := s.do("GET", "/", with(cookies)).Header.Get("X-Form")
	s.expect(s.do("POST", "/logout", with(cookies), form("csrf_token", token)), 303, "")
	s.expect(s.do("GET", "/", with(cookies)), 303, "")

	cookies = s.login("ann", "sesame")
	o.Users[0].Role = access.Read
	if err := s.guard.Update(o); err != nil {
		t.Fatal(err)
	}
	s.expect(s.do("GET", "/", with(cookies)), 200, "ann may read")
	o.Users[0] = user(t, "ann", "another", access.Operate)
	if err := s.guard.Update(o); err != nil {
		t.Fatal(err)
	}
	s.expect(s.do("GET", "/", with(cookies)), 303, "")
	if err := s.guard.Update(access.Options{}); !errors.Is(err, access.ErrOpen) {
		t.Errorf("an update that opens: %v", err)
	}
	s.login("ann", "another")
}

// Over TLS, also that of a trusted proxy, the cookie is Secure and of this host alone.
func TestSecureCookie(t *testing.T) {
	o := people(t)
	o.Proxy.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
	s := open(t, o)
	https := header("X-Forwarded-Proto", "https")
	login := form("name", "ann", "password", "sesame")
	c := s.do("POST", "/login", login, https, from("10.0.0.1:9")).Cookies()[0]
	if !c.Secure || c.Name != "__Host-heyrelay" || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	if c := s.do("POST", "/login", login, https, from("10.0.0.2:9")).Cookies()[0]; c.Secure {
		t.Errorf("an unknown proxy is believed: %+v", c)
	}
}

// The user that a proxy names is believed of the proxy only, and of one name only.
func TestProxy(t *testing.T) {
	o := people(t)
	o.Proxy = access.Proxy{
		Networks:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
		Header:    "X-Remote-User",
		Role:      access.Read,
		Operators: []string{"zoe"},
	}
	s := open(t, o)
	zoe, max := header("X-Remote-User", "zoe"), header("X-Remote-User", "max")
	s.expect(s.do("GET", "/", from("10.0.0.1:9"), max), 200, "max may read")
	resp := s.do("GET", "/", from("10.0.0.1:9"), zoe)
	s.expect(resp, 200, "zoe may operate")
	token := resp.Header.Get("X-Form")
	s.expect(s.do("POST", "/", from("10.0.0.1:9"), zoe, form("csrf_token", token)), 200, "zoe")
	s.expect(s.do("POST", "/", from("10.0.0.1:9"), zoe), 403, "form's token")
	s.expect(s.do("POST", "/", from("10.0.0.1:9"), max, form("csrf_token", token)), 403, "your role is read")
	s.expect(s.do("GET", "/", from("10.0.1.1:9"), zoe), 303, "")
	s.expect(s.do("GET", "/", from("127.0.0.1:9"), zoe), 303, "")
	s.expect(s.do("GET", "/", from("10.0.0.1:9"), max, zoe), 303, "")

	basic := header("Authorization", "Basic bWF4OnNlc2FtZQ==") // which nginx passes on by default
	s.expect(s.do("GET", "/", from("10.0.0.1:9"), max, basic), 200, "max may read")
	s.expect(s.do("GET", "/", basic), 303, "")
}

// Failed logins of one address, and logins of all, are bounded.
func TestLoginsAreLimited(t *testing.T) {
	s := open(t, people(t))
	wrong := form("name", "ann", "password", "wrong")
	for range 10 {
		s.expect(s.do("POST", "/login", wrong), 401, "wrong")
	}
	right := form("name", "ann", "password", "sesame")
	resp := s.do("POST", "/login", right)
	if after := resp.Header.Get("Retry-After"); after != "900" {
		t.Errorf("Retry-After: %q", after)
	}
	s.expect(resp, 429, "Too many failed logins. Try again in 15 min.")
	s.expect(s.do("GET", "/login?token="+operating), 429, "Too many failed logins")
	s.expect(s.do("POST", "/login", right, from("192.0.2.1:9")), 303, "")
	s.now = s.now.Add(15 * time.Minute)
	s.expect(s.do("POST", "/login", right), 303, "")

	s = open(t, people(t))
	for i := range 60 {
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 9)
		s.expect(s.do("POST", "/login", wrong, from(address.String())), 401, "wrong")
	}
	s.expect(s.do("POST", "/login", right, from("198.51.100.1:9")), 429, "Too many")
	s.now = s.now.Add(time.Minute)
	s.expect(s.do("POST", "/login", right, from("198.51.100.1:9")), 303, "")
}

// The addresses of one host of IPv6 count together, and those behind a trusted proxy apart.
func TestWhoseLogins(t *testing.T) {
	o := people(t)
	o.Proxy.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
	s := open(t, o)
	wrong, right := form("name", "ann", "password", "wrong"), form("name", "ann", "password", "sesame")
	for i := range 10 {
		address := netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}), 9)
		s.do("POST", "/login", wrong, from(address.String()))
		s.do("POST", "/login", wrong, from("10.0.0.1:9"), header("X-Forwarded-For", "192.0.2.9, 192.0.2.3"))
	}
	s.expect(s.do("POST", "/login", right, from("[2001:db8::99]:9")), 429, "")
	behind := func(client string) []request {
		return []request{right, from("10.0.0.1:9"), header("X-Forwarded-For", client)}
	}
	s.expect(s.do("POST", "/login", behind("192.0.2.9, 192.0.2.3")...), 429, "")
	s.expect(s.do("POST", "/login", behind("192.0.2.3, 192.0.2.4")...), 303, "")
	s.expect(s.do("POST", "/login", right, from("192.0.2.5:9"), header("X-Forwarded-For", "192.0.2.3")), 303, "")
}

// Each login is recorded, without what was secret in it.
func TestLoginsAreRecorded(t *testing.T) {
	s := open(t, people(t))
	s.login("ann", "sesame")
	s.do("POST", "/login", form("name", "eve", "password", "hunter2"))
	if len(s.events) != 2 {
		t.Fatalf("%+v", s.events)
	}
	if e := s.events[0]; e.Kind != events.LoggedIn || e.User != "ann" || e.Client != "127.0.0.1" {
		t.Errorf("%+v", e)
	}
	if e := s.events[1]; e.Kind != events.LoginFailed || e.User != "eve" || strings.Contains(e.Reason, "hunter2") {
		t.Errorf("%+v", e)
	}
}

// A login goes on to a path of ours only.
func TestNext(t *testing.T) {
	s := open(t, people(t))
	for next, want := range map[string]string{
		"/messages?route=a": "/messages?route=a",
		"":                  "/",
		"messages":          "/",
		"//evil.example":    "/",
		"/\\evil.example":   "/",
		"https://evil":      "/",
		"/\t/evil.example":  "/",
		"/login?token=x":    "/",
	} {
		resp := s.do("POST", "/login", form("name", "ann", "password", "sesame", "next", next))
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("%q goes on to %q, want %q", next, got, want)
		}
	}
}

// Every response has the defences that browsers know, and no body is unbounded.
func TestHeaderAndBounds(t *testing.T) {
	s := open(t, people(t))
	for _, path := range []string{"/", "/login", "/api/v1/x", "/livez", "/static/x"} {
		for _, name := range []string{"127.0.0.1", "evil.example"} {
			h := s.do("GET", path, host(name)).Header
			csp := h.Get("Content-Security-Policy")
			for _, part := range []string{
				"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
			} {
				if !strings.Contains(csp, part) || strings.Contains(csp, "unsafe") {
					t.Errorf("%s: policy %q", path, csp)
				}
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", path, h)
			}
		}
	}
	large := func(r *http.Request) { r.Body = io.NopCloser(io.LimitReader(zeros{}, access.MaxBody+1)) }
	s.expect(s.do("POST", "/api/v1/x", bearer(operating), large), 413, "")
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// How long a refusal takes does not reveal whether a user exists, whatever the hashes cost.
func TestUnknownUserTakesAsLong(t *testing.T) {
	costly, err := bcrypt.GenerateFromPassword([]byte("sesame"), 10)
	if err != nil {
		t.Fatal(err)
	}
	o := people(t)
	o.Users[0].Password, err = passhash.Parse(string(costly))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	shortest := map[string]time.Duration{}
	for range 3 {
		for _, name := range []string{"ann", "bob", "nobody"} {
			start := time.Now()
			s.expect(s.do("POST", "/login", form("name", name, "password", "wrong")), 401, "wrong")
			if took := time.Since(start); shortest[name] == 0 || took < shortest[name] {
				shortest[name] = took
			}
		}
	}
	for _, name := range []string{"bob", "nobody"} {
		if shortest[name] < shortest["ann"]/4 {
			t.Errorf("%s is refused within %v, ann within %v", name, shortest[name], shortest["ann"])
		}
	}
}
