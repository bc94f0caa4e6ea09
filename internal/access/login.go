package access

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"heyrelay/internal/events"
	"heyrelay/internal/passhash"
	"heyrelay/internal/problem"
)

// The paths that a Guard serves itself.
const (
	LoginPath  = "/login"  // GET: the form, or with ?token= the login; POST: name and password
	LogoutPath = "/logout" // POST, with the FormToken
)

//go:embed login.html
var loginText string

var loginPage = template.Must(template.New("login").Parse(loginText))

// loginForm is what the page shows.
type loginForm struct {
	Next, Name, Error string
	Users, Tokens     bool // what one can log in with
	Printed           bool // the token was printed, in an address
}

func loginURL(next string) string { return LoginPath + "?next=" + url.QueryEscape(next) }

// showLogin shows the form, or logs in with the token of a link and leaves it behind.
func (g *Guard) showLogin(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	next := afterLogin(query.Get("next"))
	if query.Has("token") && r.Method == http.MethodGet {
		g.attempt(w, r, loginForm{Next: next}, credentials{token: query.Get("token")})
		return
	}
	g.writeForm(w, http.StatusOK, loginForm{Next: next})
}

// login logs in with what the form has.
func (g *Guard) login(w http.ResponseWriter, r *http.Request) {
	form := loginForm{Next: afterLogin(r.PostFormValue("next")), Name: r.PostFormValue("name")}
	g.attempt(w, r, form, credentials{
		name:     form.Name,
		password: r.PostFormValue("password"),
		token:    r.PostFormValue("token"),
	})
}

// credentials are a token, or else a name and a password.
type credentials struct{ name, password, token string }

// attempt logs in, or shows the form again.
func (g *Guard) attempt(w http.ResponseWriter, r *http.Request, form loginForm, c credentials) {
	client := g.options().Proxy.Client(r)
	if wait := g.logins.begin(client); wait > 0 {
		minutes := int(math.Ceil(wait.Minutes()))
		w.Header().Set("Retry-After", strconv.Itoa(minutes*60))
		form.Error = fmt.Sprintf("Too many failed logins. Try again in %d min.", minutes)
		g.record(client, c.name, "too many failed logins")
		g.writeForm(w, http.StatusTooManyRequests, form)
		return
	}
	s, ok := g.verify(r, c)
	if !ok {
		form.Error = "The name, password or token is wrong."
		g.record(client, c.name, "wrong name, password or token")
		g.writeForm(w, http.StatusUnauthorized, form)
		return
	}
	g.logins.succeed(client)
	if err := g.begin(w, r, s); err != nil {
		refuse(w, r, problem.Problem{
			Status: http.StatusInternalServerError,
			Detail: "the login could not be completed",
			Remedy: "try again",
		})
		return
	}
	g.record(client, s.user, "")
	http.Redirect(w, r, form.Next, http.StatusSeeOther)
}

// verify returns the session that the credentials begin.
func (g *Guard) verify(r *http.Request, c credentials) (session, bool) {
	if c.token != "" {
		id, ok := g.byToken(c.token)
		return session{user: id.name, token: c.token}, ok
	}
	password, exists := g.passwordOf(c.name)
	if !g.logins.matches(r.Context(), password, c.password) || !exists {
		return session{}, false
	}
	return session{user: c.name, password: password}, true
}

// passwordOf returns the hash of a user's password. For an unknown user it is the most costly
// one in use, so that a refusal takes as long.
func (g *Guard) passwordOf(name string) (hash passhash.Hash, exists bool) {
	for _, u := range g.options().Users {
		if u.Name == name {
			return u.Password, true
		}
		if u.Password.Cost() > hash.Cost() {
			hash = u.Password
		}
	}
	return hash, false
}

// record records a login, or with a reason why there was none.
func (g *Guard) record(client netip.Addr, name, reason string) {
	kind := events.LoggedIn
	if reason != "" {
		kind = events.LoginFailed
	}
	g.options().Sink.Record(events.Event{
		Kind:   kind,
		Time:   g.sessions.now(),
		Client: client.String(),
		User:   name,
		Reason: reason,
	})
}

func (g *Guard) writeForm(w http.ResponseWriter, status int, form loginForm) {
	o := g.options()
	form.Users = len(o.Users) > 0
	form.Printed = g.LoginToken() != ""
	form.Tokens = len(o.Tokens) > 0 || form.Printed
	var page bytes.Buffer
	if err := loginPage.Execute(&page, form); err != nil {
		panic("access: the login page: " + err.Error()) // it has no data that can fail
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the client may have gone
}

// logout ends the session.
func (g *Guard) logout(w http.ResponseWriter, r *http.Request) {
	id, known := g.bySession(r)
	if known && !g.hasFormToken(r, id) {
		refuse(w, r, problem.Problem{
			Status: http.StatusForbidden,
			Detail: "the form's token is missing or belongs to another login",
			Field:  FormField,
			Remedy: "reload the page and try again",
		})
		return
	}
	g.sessions.remove(g.sessionCookie(r))
	http.SetCookie(w, g.cookie(r, "", -1))
	http.Redirect(w, r, LoginPath, http.StatusSeeOther)
}

// Local returns a path of our own to go on with, "/" for anything else. What leads elsewhere may
// come from a link of somebody else.
func Local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") {
		return "/"
	}
	return next
}

// afterLogin returns where a login goes on: not at the login page.
func afterLogin(next string) string {
	if strings.HasPrefix(next, LoginPath) {
		return "/"
	}
	return Local(next)
}
