package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"heyrelay/internal/backend"
	"heyrelay/internal/spool"
)

const pageSize = 50

// timeForm is how a browser writes a field of type datetime-local (HTML, section 4.10.5.1.7).
const timeForm = "2006-01-02T15:04"

// messagesPage lists requests, newest first.
type messagesPage struct {
	frame
	States, Routes []option
	Since, Until   string
	Problem        string // of what was asked
	Filtered       bool
	Nothing        bool // no message was ever accepted
	Try            string
	Found          string
	Announce       string
	Entries        []entryItem
	Back           string // this page
	All            []option
	Newest, Older  string // links
}

// messages shows the requests that match what the query names.
func (c *console) messages(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	query := r.URL.Query()
	p := messagesPage{
		frame: frameOf(c, r, "messages"),
		Since: query.Get("since"),
		Until: query.Get("until"),
		Back:  "/messages?" + without(query, doneKeys...).Encode(),
		Try:   c.firstMail(),
	}
	p.Query = query.Get("q")
	p.Filtered = isFiltered(query)
	p.States = stateOptions(query.Get("state"))
	p.Routes = c.routeOptions(query.Get("route"))
	f, problem := filterOf(query)
	p.Problem = problem
	if problem != "" {
		return c.render(w, http.StatusBadRequest, "messages", p)
	}
	from, _ := strconv.ParseInt(query.Get("from"), 10, 64) // 0 for the newest
	found, err := c.find(ctx, f, p.Query, from)
	if err != nil {
		return err
	}
	for _, e := range found.Entries {
		p.Entries = append(p.Entries, c.entryItem(e))
	}
	if len(p.Entries) > 0 {
		p.Announce = "Newest: " + p.Entries[0].Title + ", " + p.Entries[0].State
	}
	if found.as.name != "" {
		p.Found = "By " + found.as.name + "."
	}
	p.Nothing = !p.Filtered && from == 0
	p.All = verbLinks(query)
	if from != 0 {
		p.Newest = "/messages?" + without(query, "from").Encode()
	}
	if found.More && found.Older != 0 {
		older := without(query)
		older.Set("from", strconv.FormatInt(found.Older, 10))
		p.Older = "/messages?" + older.Encode()
	}
	return c.render(w, http.StatusOK, "messages", p)
}

// without returns a copy of a query without some keys, and without those that are empty.
func without(query url.Values, keys ...string) url.Values {
	rest := url.Values{}
	for key, values := range query {
		if !slices.Contains(keys, key) && len(values) > 0 && values[0] != "" {
			rest[key] = values
		}
	}
	return rest
}

// filterKeys are the keys of a query that restrict what is shown.
var filterKeys = []string{"q", "state", "route", "since", "until"}

func isFiltered(query url.Values) bool {
	return slices.ContainsFunc(filterKeys, func(key string) bool { return strings.TrimSpace(query.Get(key)) != "" })
}

func stateOptions(chosen string) []option {
	all := []option{{Text: "Any"}, {Value: spool.AllOpen, Text: spool.AllOpen}}
	for s := spool.Queued; s <= spool.Shadowed; s++ {
		all = append(all, option{Value: s.String(), Text: s.String()})
	}
	for i := range all {
		all[i].Chosen = all[i].Value == chosen
	}
	return all
}

// routeOptions are the configured routes, and the chosen one if it is another.
func (c *console) routeOptions(chosen string) []option {
	all := []option{{Text: "Any", Chosen: chosen == ""}}
	known := chosen == ""
	for _, r := range c.Routes {
		known = known || r.Name == chosen
		all = append(all, option{Value: r.Name, Text: r.Name, Chosen: r.Name == chosen})
	}
	if !known {
		all = append(all, option{Value: chosen, Text: chosen, Chosen: true})
	}
	return all
}

// filterOf reads state, route and times of a query. problem says what is wrong with them, or with its search.
func filterOf(query url.Values) (f spool.Filter, problem string) {
	if problem := faultOf(query.Get("q")); problem != "" {
		return f, problem
	}
	f.Route = query.Get("route")
	if name := query.Get("state"); name != "" {
		states, err := spool.ParseStates([]string{name})
		if err != nil {
			return f, "There is no such state: " + err.Error()
		}
		f.States = states
	}
	for key, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Before} {
		text := query.Get(key)
		if text == "" {
			continue
		}
		t, err := time.Parse(timeForm, text)
		if err != nil {
			return f, "A time has the form 2026-11-25T10:31: " + text
		}
		*at = t
	}
	return f, ""
}

// verbLinks are what can be done with all that match a query.
func verbLinks(query url.Values) (all []option) {
	q := without(without(query, doneKeys...), "from")
	q.Set("back", "/messages?"+q.Encode())
	for _, v := range backend.Actions {
		all = append(all, option{Text: verbs[v].name + "…", Link: "/actions/" + v + "?" + q.Encode()})
	}
	return all
}
