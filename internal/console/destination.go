package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"heyrelay/internal/access"
	"heyrelay/internal/spool"
)

// What actOnDestination did, in the query of the address that it goes back to.
const (
	holdBegun = "hold begun"
	holdEnded = "hold ended"
	noHold    = "no hold"
)

// notConfigured is why what a reload has removed cannot be held.
const notConfigured = "It is not in the configuration. Its pending mail is already held."

// destinationOf reads which team or route an action is about.
func destinationOf(query url.Values) (at spool.Destination, err error) {
	at = spool.Destination{Team: query.Get("team"), Route: query.Get("route")}
	if at.Team == "" {
		return at, badRequest("No team or route is named.")
	}
	if text := query.Get("inbox"); text != "" {
		at.Inbox, err = strconv.ParseInt(text, 10, 64)
		if err != nil {
			return at, badRequest("The inbox is not a number: " + text)
		}
	}
	return at, nil
}

// isConfigured reports whether the configuration has a team or a route.
func (c *console) isConfigured(at spool.Destination) bool {
	_, known := c.Rates[at.Team]
	return known && (at.Route == "" || slices.Contains(c.Routes, Route{Name: at.Route, Team: at.Team}))
}

// confirmDestination asks before a team or a route is held or released.
func (c *console) confirmDestination(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	at, err := destinationOf(query)
	if err != nil {
		return err
	}
	verb := r.PathValue("verb")
	p := confirmPage{
		frame:    frameOf(c, r, "overview"),
		Action:   "/destinations/" + verb,
		Back:     access.Local(query.Get("back")),
		Fields:   fieldsOf(without(query, "back", "reason"), query.Get("back")),
		Possible: access.RoleOf(r.Context()) >= access.Operate,
	}
	if !p.Possible {
		p.Warning = mayOnlyRead
	}
	switch verb {
	case "release":
		err = c.askRelease(r.Context(), &p, at)
	case "hold":
		c.askHold(&p, at)
	default:
		return noPage(w, r)
	}
	if err != nil {
		return err
	}
	return c.render(w, http.StatusOK, "confirm", p)
}

// askRelease has a page ask whether a hold is to end.
func (c *console) askRelease(ctx context.Context, p *confirmPage, at spool.Destination) error {
	n, held, err := c.keptAt(ctx, at)
	if err != nil {
		return err
	}
	if !held {
		p.Possible = false
		p.Title = "There is no hold on " + at.Name()
		p.Facts = []string{"It may have ended by itself."}
		return nil
	}
	p.Title = "Release " + at.Name() + "?"
	p.Button = "Release " + at.Name()
	p.Facts = []string{
		number(n, "request") + " kept back now.",
		"What is pending there is sent as soon as the budget allows. If the API refuses it again, heyrelay holds it again.",
	}
	return nil
}

// askHold has a page ask whether a hold is to begin.
func (c *console) askHold(p *confirmPage, at spool.Destination) {
	if !c.isConfigured(at) {
		p.Possible = false
		p.Title = "There is no " + at.Name()
		p.Facts = []string{notConfigured}
		return
	}
	p.Title = "Hold " + at.Name() + "?"
	p.Button = "Hold " + at.Name()
	p.AsksReason = p.Possible
	p.Reason = spool.OperatorReason
	p.Facts = []string{
		"Mail is still accepted, but not sent until you release the hold. A restart changes nothing.",
	}
}

// keptAt returns how many requests the hold of a destination keeps back; held is false without one.
func (c *console) keptAt(ctx context.Context, at spool.Destination) (n int, held bool, err error) {
	kept, err := c.Operator.Kept(ctx)
	if err != nil {
		return 0, false, err
	}
	for _, k := range kept {
		if k.Level != spool.RequestLevel && k.Destination() == at {
			return k.Requests, true, nil
		}
	}
	return 0, false, nil
}

// actOnDestination holds or releases a team or a route, and goes back.
func (c *console) actOnDestination(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badRequest("The form could not be read.")
	}
	at, err := destinationOf(r.PostForm)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(r.Context())
	var done string
	switch r.PathValue("verb") {
	case "release":
		var found bool
		found, err = c.Release(ctx, at)
		done = holdEnded
		if !found {
			done = noHold
		}
	case "hold":
		if !c.isConfigured(at) {
			return badRequest(notConfigured)
		}
		done = holdBegun
		err = c.Hold(ctx, at, r.PostForm.Get("reason"))
	default:
		return noPage(w, r)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, backWith(r.PostForm.Get("back"), url.Values{"done": {done}}), http.StatusSeeOther)
	return nil
}
