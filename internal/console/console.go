// Package console is the web console: pages for people over what the spool holds and what
// happens.
//
// It serves what an access.Guard lets through, and asks the Guard for the role, the user and the
// token of forms. Each page is a template below templates/, filled by the file of its name, and
// works without JavaScript; console.js adds the keyboard, and fetches a page again when something
// happened ([events.Stream]), so that only the server makes HTML.
//
// What a message contains is hostile. It is shown as text, which html/template escapes, or in a
// frame whose document is inert (frame.go).
package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/backend"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Options are what the pages show and change. All but Sandbox are required.
type Options struct {
	backend.Backend
	Routes []Route // in the order of the configuration

	// Sandbox is the URL of the sandbox that plays the API in the demo; "" for none.
	Sandbox string

	SMTP    func() []net.Addr // of the relay's listeners, for the line that sends a first mail
	Version string            // of heyrelay
}

// Route is a configured route.
type Route struct{ Name, Team string }

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// console serves the pages.
type console struct {
	Options
	pages map[string]*template.Template // by the name of their file
}

// New returns the handler of all paths that neither the Guard nor the admin API serves.
// Paths below /static/ are public.
func New(o Options) http.Handler {
	c := &console{Options: o, pages: map[string]*template.Template{}}
	layout := template.Must(template.ParseFS(templateFiles, "templates/layout.html"))
	for _, name := range []string{"overview", "messages", "message", "conversation", "confirm", "problem"} {
		page := template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
		c.pages[name] = page
	}
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic("console: the embedded assets: " + err.Error())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(assets))))
	mux.HandleFunc("GET /stream", c.stream)
	for pattern, show := range map[string]page{
		"GET /{$}":                    c.overview,
		"GET /messages":               c.messages,
		"GET /messages/{id}":          c.message,
		"GET /messages/{id}/html":     c.messageHTML,
		"GET /messages/{id}/source":   c.messageSource,
		"GET /messages/{id}/{n}/json": c.messageJSON,
		"GET /messages/{id}/{n}/file": c.file,
		"GET /messages/{id}/revoke":   c.confirmRevoke,
		"POST /messages/{id}/revoke":  c.revoke,
		"GET /conversations/{n}":      c.conversation,
		"GET /actions/{verb}":         c.confirmAction,
		"POST /actions/{verb}":        c.act,
		"GET /destinations/{verb}":    c.confirmDestination,
		"POST /destinations/{verb}":   c.actOnDestination,
		"/":                           noPage,
	} {
		mux.HandleFunc(pattern, c.page(show))
	}
	return mux
}

// page answers a request, or returns why it cannot.
type page func(w http.ResponseWriter, r *http.Request) error

// visible is an error that people see.
type visible struct {
	status      int
	title, text string
}

// Error implements error.
func (v visible) Error() string { return v.title + ": " + v.text }

func noPage(http.ResponseWriter, *http.Request) error {
	return visible{http.StatusNotFound, "No such page", "The console has no page at this address."}
}

// page makes a handler that shows errors as a page.
func (c *console) page(show page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := show(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		var v visible
		switch {
		case errors.As(err, &v):
		case errors.Is(err, spool.ErrNotFound):
			v = visible{
				http.StatusNotFound, "No such message",
				"It is not in the spool. Retention may have removed it, or the id belongs to another relay.",
			}
		default:
			c.recordError(r, err)
			v = visible{
				http.StatusInternalServerError, "This page failed",
				"The log has the cause. Mail is not affected. Try again.",
			}
		}
		err = c.render(w, v.status, "problem", problemPage{frameOf(c, r, ""), v.title, v.text})
		if err != nil {
			c.recordError(r, err)
		}
	}
}

func (c *console) recordError(r *http.Request, err error) {
	c.Record(events.Event{
		Kind:   events.Error,
		Time:   c.Now(),
		User:   access.UserOf(r.Context()),
		Reason: "a page of the console failed",
		Err:    err,
	})
}

type problemPage struct {
	frame
	Title, Text string
}

// frame is what all pages have around their content.
type frame struct {
	Section    string // of the navigation
	Query      string // in the search field
	User       string
	Role       access.Role
	MayOperate bool
	FormToken  string
	Version    string
	Demo       bool
	Done       string // what an action did
}

func frameOf(c *console, r *http.Request, section string) frame {
	ctx := r.Context()
	return frame{
		Section:    section,
		User:       access.UserOf(ctx),
		Role:       access.RoleOf(ctx),
		MayOperate: access.RoleOf(ctx) >= access.Operate,
		FormToken:  access.FormToken(ctx),
		Version:    c.Version,
		Demo:       c.Sandbox != "",
		Done:       doneOf(r.URL.Query()),
	}
}

// render answers with a page. Nothing is written if the template fails.
func (c *console) render(w http.ResponseWriter, status int, name string, data any) error {
	var b bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&b, "layout", data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the client may have gone
	return nil
}

// cached lets browsers keep the assets for a while.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, max-age=300")
		next.ServeHTTP(w, r)
	})
}

// instant is a time for people.
type instant struct{ Exact, Text string }

// instant describes a time, the zero instant for none.
func (c *console) instant(t time.Time) instant {
	if t.IsZero() {
		return instant{}
	}
	return instant{Exact: t.UTC().Format(time.RFC3339), Text: ago(c.Now(), t)}
}
