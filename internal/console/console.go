// Package console is the web console: pages for people over what the spool holds and what
// happens.
//
// It serves what an access.Guard lets through, and asks the Guard for the role, the user and the
// token of forms.
package console

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/activity"
	"heyrelay/internal/events"
	"heyrelay/internal/spool"
)

// Options are what the pages show and change. All but Sandbox are required.
type Options struct {
	Operator spool.Operator    // reads the spool, and changes it as "heyrelay queue" does
	Events   *events.Stream    // what happens, as it happens
	Activity *activity.Counter // what happened in each minute
	Rates    map[string]int    // calls a minute that each team may make
	Routes   []string          // names, in the order of the configuration
	Kick     func()            // wakes the scheduler after a change
	Record   func(events.Event)
	Now      func() time.Time

	// Health returns whether mail is accepted and sent ("serving", "degraded" or "not
	// serving"), and why it is not better.
	Health func(ctx context.Context) (status string, reasons []string)

	// Sandbox is the URL of the sandbox that plays the API in the demo; "" for none.
	Sandbox string
}

// New returns the handler of all paths that neither the Guard nor the admin API serves.
// Paths below /static/ are public.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	page := template.Must(template.New("").Parse(placeholder))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		status, reasons := o.Health(r.Context())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, map[string]any{ // the client may have gone
			"User": access.UserOf(r.Context()), "Form": access.FormToken(r.Context()),
			"Status": status, "Reasons": reasons,
		})
	})
	return mux
}

const placeholder = `<!doctype html>
<html lang="en">
<title>heyrelay</title>
<h1>heyrelay is {{.Status}}</h1>
<ul>{{range .Reasons}}<li>{{.}}</li>{{end}}</ul>
<form method="post" action="/logout">
<input type="hidden" name="csrf_token" value="{{.Form}}">
{{.User}} <button>Log out</button>
</form>
</html>
`
